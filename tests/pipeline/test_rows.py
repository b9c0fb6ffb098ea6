from types import SimpleNamespace

import numpy as np
import pytest

from agebatch.pipeline.rows import NOBODY, Located, Photo, at_least, rows_of
from agebatch.pipeline.tally import Tally
from agebatch.results.schema import NAMES, Status

PHOTO = Photo("a.jpg", 10, 20, None, "", 64, 48)
TWO = Located(np.array([[1.0, 2, 30, 40], [3, 4, 5, 6]]), np.array([0.9, 0.8]), np.zeros((2, 5, 2)))


def answer(female):
    return SimpleNamespace(age=30.0, low=20.0, high=40.0, female=female)


def test_faces():
    first, second = rows_of(PHOTO, TWO, [answer(0.7), answer(0.2)], "m/1")
    assert (first["face"], second["face"], first["faces"]) == (0, 1, 2)
    assert (first["gender"], first["gender_confidence"]) == ("female", 0.7)
    assert (second["gender"], second["gender_confidence"]) == ("male", 0.8)
    assert (first["x"], first["h"], first["face_score"], first["model"]) == (1.0, 40.0, 0.9, "m/1")


def test_nobody_and_unreadable_are_one_row_with_empty_face_columns():
    (nobody,) = rows_of(PHOTO, NOBODY, [], "m/1")
    assert (nobody["status"], nobody["faces"], nobody["age"]) == ("no_face", 0, None)
    lost = Photo("a.jpg", 10, 20, Status.TOO_LARGE, "900 megapixels", 30000, 30000)
    (row,) = rows_of(lost, NOBODY, [], "m/1")
    assert (row["status"], row["message"], row["width"], row["faces"]) == (
        "too_large",
        "900 megapixels",
        30000,
        None,
    )
    assert set(row) == set(NAMES)


def test_a_cap_is_told():
    capped = Located(TWO.boxes, TWO.scores, TWO.points, capped=True)
    assert "may be missing" in rows_of(PHOTO, capped, [answer(0.6)] * 2, "m")[0]["message"]


@pytest.mark.parametrize(("pixels", "left"), [(0, 2), (6, 2), (7, 1), (41, 0)])
def test_at_least(pixels, left):
    found = at_least(TWO, pixels)
    assert len(found) == len(found.scores) == len(found.points) == left


def test_tally_counts_images_once_and_faces_each():
    tally = Tally()
    rows = [*rows_of(PHOTO, TWO, [answer(0.7), answer(0.2)], "m"), *rows_of(PHOTO, NOBODY, [], "m")]
    assert list(tally.over(rows)) == rows
    assert (tally.images.total(), tally.faces, tally.errors, tally.median_age()) == (2, 2, 0, 30.0)
    assert tally.as_json()["by_gender"] == {"female": 1, "male": 1}
    assert Tally().median_age() is None and Tally().lines() == [("images", "0"), ("faces", "0")]
