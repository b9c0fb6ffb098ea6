import numpy as np
import pytest
from PIL import Image

from agebatch.datasets import duplicates
from agebatch.datasets.duplicates import features, groups
from tests.datasets.faces import changed, scene


def grey(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC).convert("L"))


@pytest.fixture(scope="module")
def others() -> list[np.ndarray]:
    return [grey(scene(100 + i)) for i in range(60)]


@pytest.mark.parametrize("how", changed(scene(0)))
def test_the_same_photograph_is_found(how, others):
    picture = scene(0)
    stack = np.stack([grey(picture), *others, grey(changed(picture)[how])])
    assert groups(stack) == [[0, 61]]


def test_groups_grow_through_their_members(others):
    family = [grey(scene(1)), *(grey(picture) for picture in changed(scene(1)).values())]
    stack = np.stack([*others[:3], *family, *others[3:]])
    assert groups(stack) == [list(range(3, 3 + len(family)))]


def test_no_duplicates_no_groups(others):
    assert groups(np.stack(others)) == []
    assert groups(np.zeros((0, 64, 64), np.uint8)) == []


def test_flat_pictures_belong_to_no_group():
    stack = np.stack([np.full((64, 64), value, np.uint8) for value in (0, 0, 128, 128, 255)])
    assert groups(stack) == []


def test_blocks_make_no_difference(others, monkeypatch):
    stack = np.stack([*others[:20], *others[5:9], *(one[:, ::-1] for one in others[7:11])])
    whole = groups(stack)
    assert whole == [[5, 20], [6, 21], [7, 22, 24], [8, 23, 25], [9, 26], [10, 27]]
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    assert groups(stack) == whole


def test_a_folder_of_copies(others):
    assert groups(np.stack([others[0]] * 500)) == [list(range(500))]


def test_features_have_unit_length(others):
    vectors = features(np.stack(others))
    assert vectors.shape == (60, 784)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
