import numpy as np
import pytest

from agebatch.pages.uncertainty import band_probabilities, doubt, expected_counts


def test_the_interval_holds_ninety_per_cent_also_when_lopsided():
    inside = band_probabilities([30.0, 5.0], [25.0, 1.0], [60.0, 6.0], [0, 25, 60, 120])
    assert inside[0] == pytest.approx([0.05, 0.9, 0.05])
    assert band_probabilities([30.0], [25.0], [60.0], [0, 30, 120])[0] == pytest.approx([0.5, 0.5])
    assert inside.sum(axis=1) == pytest.approx([1, 1])


def test_an_interval_of_no_width_is_certain():
    assert band_probabilities([30.5], [30.5], [30.5], [0, 30, 40, 99]).tolist() == [[0, 1, 0]]


def test_counts_agree_with_drawing_faces_by_lot():
    rng = np.random.default_rng(0)
    p = rng.random((40, 3)) * 0.8
    mean, spread = expected_counts(p)
    drawn = (rng.random((20000, 40, 3)) < p).sum(axis=1)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.1)
    assert drawn.std(axis=0) == pytest.approx(spread, rel=0.03)


def test_doubt_ranks_and_puts_the_unknown_first():
    found = doubt([20, 20, np.nan, 20], [30, 30, np.nan, 50], [0.99, 0.6, np.nan, 0.8])
    assert found.argmax() == 2 and found.argmin() == 0
    assert doubt([], [], []).tolist() == []
    assert doubt([1.0], [2.0], [0.9]).tolist() == [0.0]
