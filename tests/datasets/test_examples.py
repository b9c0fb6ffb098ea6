"""Labelled folders as arrays."""

import numpy as np
import pytest

from agebatch.datasets.examples import digest, load_examples
from agebatch.errors import InputError
from tests.datasets.faces import utkface

NAMES = [f"{age}_{age % 2}_{age % 4}_2017{age:013d}.jpg" for age in range(10, 20)]


def test_labels_splits_and_a_corrupt_picture(tmp_path):
    folder, said = utkface(tmp_path / "faces", NAMES), []
    (folder / NAMES[3]).write_bytes(b"no picture")
    found = load_examples([str(folder)], 40, warn=said.append)
    assert len(found) == 9
    assert found.pixels.shape == (9, 40, 40, 3)
    assert found.ages[:, 0].tolist() == [10, 11, 12, 14, 15, 16, 17, 18, 19]
    assert found.genders[:2].tolist() == [[0, 1], [1, 1]]  # in UTKFace's names 1 is female
    assert set(found.split) <= {"train", "validation", "test"}
    assert len(said) == 1
    assert NAMES[3] in said[0]
    some = found.take(found.ages[:, 0] > 16)
    assert [s.age_low for s in some.samples] == [17, 18, 19]
    assert len(load_examples([str(folder)], 40, limit=4)) == 3  # one of the four is the corrupt one


def test_two_data_sets_are_joined_in_the_order_given(tmp_path):
    a, b = utkface(tmp_path / "a", NAMES[:4]), utkface(tmp_path / "b", NAMES[4:], 50)
    both = load_examples([str(a), f"{b}:fairface"], 40)
    assert both.source.tolist() == [0] * 4 + [1] * 6
    assert both.take(both.source == 1).ages[:, 0].tolist() == [14, 15, 16, 17, 18, 19]


def test_nothing_to_read_is_an_error(tmp_path):
    folder = utkface(tmp_path / "faces", NAMES[:2])
    for name in NAMES[:2]:
        (folder / name).write_bytes(b"")
    with pytest.raises(InputError, match="none of its 2 pictures"):
        load_examples([str(folder)], 40)


def test_digest_is_of_the_set_not_of_its_order():
    assert digest(["a", "b"]) == digest(["b", "a"]) != digest(["a"])
    assert np.unique([digest(["a"]), digest(["a", "a"])]).size == 2
