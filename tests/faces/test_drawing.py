import numpy as np
import pytest
from PIL import ExifTags, Image

from agebatch.faces import drawing
from agebatch.faces.drawing import annotate, kept_exif, label_of, save_annotated


def face(x, y, w, h, *, gender="female", age=34.0):
    return {
        "x": x, "y": y, "w": w, "h": h, "age": age, "age_low": age - 6, "age_high": age + 7,
        "gender": gender, "gender_confidence": 0.97,
    }  # fmt: skip


@pytest.fixture
def places(monkeypatch):
    """The rectangles of the labels that `annotate` writes."""
    seen = []
    write = drawing._write
    monkeypatch.setattr(
        drawing, "_write", lambda draw, place, *rest: (seen.append(place), write(draw, place, *rest))
    )
    return seen


@pytest.mark.parametrize("size", [(40, 30), (160, 120), (640, 480), (6000, 4000)])
@pytest.mark.parametrize("at", [(0, 0), (0.8, 0), (0, 0.8), (0.8, 0.8), (0.4, 0.4)])
def test_labels_stay_inside_at_every_size(places, size, at):
    width, height = size
    picture = np.full((height, width, 3), 128, np.uint8)
    marked = annotate(picture, [face(at[0] * width, at[1] * height, width * 0.2, height * 0.2)])
    assert marked.shape == picture.shape and marked.dtype == np.uint8
    assert (picture == 128).all(), "the picture given is left alone"
    left, top, right, bottom = places[0]
    assert left >= 0 and top >= 0 and bottom - top >= 11
    if width >= 100:
        assert right <= width and bottom <= height


def test_labels_do_not_cover_each_other_or_other_faces(places):
    faces = [face(60 + 110 * i, 200 + 10 * (i % 2), 80, 100) for i in range(5)]
    annotate(np.zeros((480, 640, 3), np.uint8), faces)
    boxes = [(f["x"], f["y"], f["x"] + f["w"], f["y"] + f["h"]) for f in faces]
    assert len(places) == 5
    for i, place in enumerate(places):
        assert all(drawing._overlap(place, other) == 0 for other in places[i + 1 :])
        assert all(drawing._overlap(place, box) == 0 for box in boxes)


def test_a_reduced_picture_is_marked_in_its_own_pixels():
    marked = annotate(np.zeros((100, 200, 3), np.uint8), [face(400, 400, 400, 400)], scale=0.1)
    assert marked[30:90, 30:90].any() and not marked[:, 130:].any()


@pytest.mark.parametrize("missing", ["age", "gender", "age_low", "gender_confidence"])
def test_what_is_missing_is_left_out_of_the_label(missing):
    text = label_of({**face(0, 0, 9, 9), missing: None})
    assert text and "None" not in text
    annotate(np.zeros((60, 80, 3), np.uint8), [{**face(5, 5, 30, 30), missing: None}])


def test_the_font_has_every_character_of_a_label():
    assert label_of(face(0, 0, 9, 9)).isascii()


def test_saved_copies_keep_date_and_camera_but_neither_place_nor_orientation(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Box Brownie"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "1999:12:31 23:59:59"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    save_annotated(
        tmp_path / "b.jpg", np.zeros((64, 48, 3), np.uint8), [face(5, 5, 30, 30)], photo=tmp_path / "a.jpg"
    )
    with Image.open(tmp_path / "b.jpg") as image:
        copy = image.getexif()
        assert image.size == (48, 64)
        assert copy[ExifTags.Base.Model] == "Box Brownie"
        assert copy.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "1999:12:31 23:59:59"
        assert ExifTags.Base.Orientation not in copy and not copy.get_ifd(ExifTags.IFD.GPSInfo)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]


def test_broken_exif_costs_only_the_exif(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert not dict(kept_exif(tmp_path / "a.jpg"))
    assert not dict(kept_exif(tmp_path / "missing.jpg"))
