import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agebatch.datasets.chips import load_chips
from agebatch.datasets.framing import FAIRFACE_POINTS, NO_FACE, framing_of, source_box
from agebatch.datasets.labelled import Sample, read_dataset
from agebatch.faces.alignment import TEMPLATE
from tests.datasets.faces import scene, utkface

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"


def one_chip(picture, framing, side):
    (cut,) = framing_of(framing).cut([picture])
    return np.asarray(cut(side))


def test_utkface_chips_are_only_resized():
    picture = scene(0)
    chip = one_chip(picture, "utkface", 48)
    np.testing.assert_array_equal(chip, np.asarray(picture.resize((48, 48), Image.Resampling.BICUBIC)))


def test_fairface_points_come_to_lie_on_the_template():
    left, top, right, bottom = source_box("fairface")
    assert right - left == pytest.approx(bottom - top)
    assert 0 <= left < right <= 1  # the chip lies inside the picture: no black edge
    assert 0 <= top < bottom <= 1
    mapped = (FAIRFACE_POINTS - (left, top)) / (right - left)
    assert np.abs(mapped - TEMPLATE).max() < 0.03


def test_a_dot_moves_to_where_the_box_says():
    pixels = np.zeros((128, 128, 3), np.uint8)
    pixels[36:40, 39:43] = 255  # the left eye, around (41, 38)
    chip = one_chip(Image.fromarray(pixels), "fairface", 200)[:, :, 0].astype(float)
    y, x = (np.indices(chip.shape) + 0.5).reshape(2, -1) @ chip.ravel() / chip.sum()
    assert (x, y) == pytest.approx((59, 58), abs=4)


def test_faces_of_loose_photographs_are_found_and_aligned_as_in_a_scan(tmp_path):
    portrait = Image.open(SAMPLES / "eileen_collins.jpg").convert("RGB")
    four = Image.open(SAMPLES / "four_portraits.jpg").convert("RGB")
    portrait.save(tmp_path / "30_1_0_1.png")
    portrait.rotate(25, Image.Resampling.BICUBIC, expand=True).save(tmp_path / "30_1_0_2.png")
    four.save(tmp_path / "30_1_0_3.png")
    scene(0).save(tmp_path / "30_1_0_4.png")
    samples = read_dataset(tmp_path).samples
    chips = load_chips(samples, tmp_path, 64, "align")
    assert chips.ok.tolist() == [True, True, True, False]
    assert chips.reasons[3] == NO_FACE
    upright, turned = chips.pixels[:2].astype(int)
    assert np.abs(upright - turned)[8:-8, 8:-8].mean() < 12  # both stand upright, and at the same place
    assert np.abs(chips.thumbnails[0].astype(int) - chips.thumbnails[1])[8:-8, 8:-8].mean() < 12


def test_every_sample_has_its_place_and_a_bad_one_its_reason(tmp_path):
    names = ["1_0_0_1.jpg", "2_0_0_1.jpg", "3_0_0_1.jpg", "4_0_0_1.jpg", "5_0_0_1.jpg"]
    utkface(tmp_path, names)
    (tmp_path / names[1]).write_bytes(b"")
    (tmp_path / names[2]).write_text("not a picture")
    whole = (tmp_path / names[3]).read_bytes()
    (tmp_path / names[3]).write_bytes(whole[: len(whole) // 2])
    samples = [*read_dataset(tmp_path).samples, Sample("gone.jpg", 1, 1, None)]
    read = []
    chips = load_chips(samples, tmp_path, 32, jobs=2, tell=read.append)
    assert chips.pixels.shape == (6, 32, 32, 3)
    assert chips.ok.tolist() == [True, False, False, False, True, False]
    assert [bool(reason) for reason in chips.reasons] == [False, True, True, True, False, True]
    assert "empty" in chips.reasons[1]
    assert "truncated" in chips.reasons[3]
    assert not chips.pixels[~chips.ok].any()
    assert not chips.thumbnails[~chips.ok].any()
    assert chips.fingerprints[3] == hashlib.sha256(whole[: len(whole) // 2]).hexdigest()
    assert chips.fingerprints[5] == ""
    assert sum(read) == 6


def test_chips_are_upright_rgb_whatever_the_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise for display
    picture = scene(1)
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    picture.save(tmp_path / "plain.png")
    picture.convert("L").save(tmp_path / "grey.png")
    picture.convert("RGBA").save(tmp_path / "alpha.webp", lossless=True)
    samples = [Sample(n, 1, 1, None) for n in ("plain.png", "turned.png", "grey.png", "alpha.webp")]
    chips = load_chips(samples, tmp_path, 32)
    assert chips.ok.all()
    np.testing.assert_array_equal(chips.pixels[0], chips.pixels[1])
    np.testing.assert_array_equal(chips.pixels[0], chips.pixels[3])
    assert np.abs(chips.thumbnails[0].astype(int) - chips.thumbnails[2]).max() <= 2


def test_thumbnails_do_not_depend_on_the_side_of_the_chips(tmp_path):
    utkface(tmp_path, ["1_0_0_1.jpg"])
    samples = read_dataset(tmp_path).samples
    none, large = load_chips(samples, tmp_path, None), load_chips(samples, tmp_path, 112)
    assert none.pixels.size == 0
    np.testing.assert_array_equal(none.thumbnails, large.thumbnails)
