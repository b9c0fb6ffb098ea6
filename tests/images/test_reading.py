"""Reduced decoding, sizes, recovery and failure; what each format gives is in test_zoo.py."""

from __future__ import annotations

import io
import random
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agebatch.images import reading
from agebatch.images.discovery import Walk, discover
from agebatch.images.reading import Picture, Unread, read
from agebatch.results.schema import Status
from agebatch.workers import Readers
from tests import zoo


@pytest.mark.parametrize("size", [(4000, 3000), (4001, 2999), (801, 601), (1000, 3)])
@pytest.mark.parametrize("side", [None, 1, 100, 640, 5000])
def test_jpegs_are_decoded_as_small_as_the_caller_can_do_with(tmp_path, size, side):
    path = tmp_path / "a.jpg"
    zoo.scene(size).save(path)
    picture = read(path, side=side)
    longer = max(picture.pixels.shape)
    assert (picture.width, picture.height) == size
    assert longer >= min(side or max(size), max(size))
    allowed = [r for r in (1, 2, 4, 8) if side is not None and -(-max(size) // r) >= side] or [1]
    assert longer == pytest.approx(max(size) / max(allowed), abs=1) or size[1] == 3
    assert picture.scale == picture.pixels.shape[1] / size[0]


def test_other_formats_are_read_in_full(tmp_path):
    zoo.scene((1000, 700)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", side=100).pixels.shape == (700, 1000, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduction_and_orientation_together_keep_every_point_in_place(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    size = (1603, 1205)  # not a multiple of 8: the last reduced column stands for fewer pixels
    path.write_bytes(zoo.turned(orientation, "JPEG", size))
    picture = read(path, side=200)
    assert picture.pixels.shape[:2] in [(151, 200), (150, 200), (151, 201)]
    assert (picture.width, picture.height) == size
    # Where red becomes green is the middle of the original, to a tenth of a reduced pixel.
    row = picture.pixels[20].astype(float)
    edge = (row[:, 0] / row[:, 0].max()).sum() * picture.width / picture.pixels.shape[1]
    assert edge == pytest.approx(size[0] // 2, abs=2.5)


def test_the_limit_is_in_megapixels_of_the_original(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(zoo.turned(6, "JPEG", (1500, 1000)))
    answer = read(path, side=10, max_megapixels=1.4)
    assert answer == Unread(Status.TOO_LARGE, "2 megapixels, more than 1.4", 1500, 1000)
    assert isinstance(read(path, max_megapixels=1.6), Picture)


def test_a_cut_photo_keeps_what_came_before_the_cut(tmp_path):
    data = zoo.encoded(zoo.noisy((320, 240)), "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    picture = read(tmp_path / "a.jpg")
    assert picture.message == reading.TRUNCATED
    assert np.abs(picture.pixels[20, 20].astype(int) - zoo.CORNERS[0]).max() < 90
    (tmp_path / "a.jpg").write_bytes(data[: data.index(b"\xff\xda") + 14])
    answer = read(tmp_path / "a.jpg")
    assert answer.status is Status.UNREADABLE, "a grey nothing is no picture"
    assert (answer.width, answer.height) == (320, 240)


def test_a_photo_without_its_end_marker_is_whole_or_says_so(tmp_path):
    data = zoo.encoded(zoo.noisy((320, 240)), "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(data[:-2])
    picture = read(tmp_path / "a.jpg")
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data))))


def test_names_that_can_not_be_files(tmp_path):
    assert read("a\0b.jpg").status is Status.UNREADABLE
    assert read("").status is Status.UNREADABLE
    assert read(tmp_path / ("x" * 300 + ".jpg")).message == "the path is too long"
    assert read(tmp_path / "gone.jpg").message == "no such file (gone since it was found)"
    assert read("/dev/zero").message == "not a regular file"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux only")
def test_files_that_are_none(tmp_path):
    for path in ("/proc/self/status", "/proc/self/mem", "/proc/self/environ"):
        assert isinstance(read(path), Unread)


@pytest.mark.parametrize(
    "error", [MemoryError, TypeError, SyntaxError, KeyError, RecursionError, SystemError]
)
def test_whatever_a_decoder_raises_becomes_a_value(tmp_path, monkeypatch, error):
    def fail(*_: object) -> None:
        raise error("inside\nthe decoder")

    zoo.scene().save(tmp_path / "a.jpg")
    monkeypatch.setattr(reading, "to_srgb", fail)
    answer = read(tmp_path / "a.jpg")
    assert answer.status is Status.UNREADABLE
    assert (answer.width, answer.height) == zoo.SIZE
    assert "\n" not in answer.message
    assert "memory" in answer.message or "inside" in answer.message


def test_reading_in_threads_leaves_warnings_as_they_were(tmp_path):
    zoo.scene().save(tmp_path / "a.png")
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read(tmp_path / "a.png") for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def seeds() -> dict[str, bytes]:
    image = zoo.noisy((64, 48))
    turned = zoo._orientation(6)
    return {
        "a.jpg": zoo.encoded(image, "JPEG", exif=turned, icc_profile=zoo.wide_gamut_profile()),
        "b.jpg": zoo.encoded(image, "JPEG", progressive=True),
        "c.jpg": zoo.encoded(image.convert("CMYK"), "JPEG"),
        "a.png": zoo.encoded(image, "PNG", exif=turned),
        "b.png": zoo.encoded(image.quantize(32), "PNG", transparency=3),
        "a.webp": zoo.encoded(image, "WEBP"),
        "a.gif": zoo.encoded(image, "GIF"),
        "a.bmp": zoo.encoded(image, "BMP"),
        "a.tif": zoo.encoded(image, "TIFF", compression="tiff_lzw"),
        "b.tif": zoo.encoded(image, "TIFF", compression="jpeg"),
        "a.heic": zoo.encoded(image, "HEIF", exif=turned),
        "a.avif": zoo.encoded(image, "AVIF"),
        "a.jp2": zoo.encoded(image, "JPEG2000"),
    }


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flipped, cut and repeated bytes, more often near the start, where the headers are."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(min(len(out), chance.choice((200, 1 << 30))))
        what = chance.random()
        if what < 0.6:
            out[at] ^= 1 << chance.randrange(8)
        elif what < 0.8:
            out[at:at] = out[at : at + 50] * chance.choice((1, 3, 50))
        elif len(out) > 200:
            del out[at : at + chance.choice((1, 2, 100))]
    return bytes(out)


def test_five_hundred_mutated_files_are_pictures_or_have_a_reason(tmp_path, capfd):
    chance = random.Random(5)
    originals = list(seeds().items())
    for index in range(500):
        name, data = originals[index % len(originals)]
        (tmp_path / f"{index:03d}{name}").write_bytes(mutated(data, chance))
    found = list(discover(Walk(paths=(str(tmp_path),))))
    with Readers(1, 32, max_megapixels=5, timeout=30) as readers:  # where libtiff has no stderr to print on
        looks = list(readers.look(found))
    assert [look.found for look in looks] == found
    assert len(looks) == 500
    counts = {"picture": 0, "part": 0, "unread": 0}
    for look in looks:
        counts["unread" if look.status else "part" if look.message else "picture"] += 1
        assert bool(look.status) <= bool(look.message)
        assert look.message.isprintable()
        assert not any(word in look.message for word in ("crashed", "killed", "longer"))
    assert all(counts.values()), counts
    assert capfd.readouterr() == ("", "")
