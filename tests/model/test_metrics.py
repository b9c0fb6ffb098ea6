import numpy as np
import pytest

from agebatch.model import metrics
from agebatch.model.calibration import Answers
from agebatch.model.metrics import Labels


def _answers(age, female=None, reach=5.0):
    age = np.asarray(age, float)
    female = np.full(len(age), 0.9) if female is None else np.asarray(female, float)
    return Answers(age, np.maximum(age - reach, 0), age + reach, female, np.full(len(age), 3.0))


def _labels(low, high=None, female=None):
    low = np.asarray(low, float)
    high = low if high is None else np.asarray(high, float)
    return Labels(low, high, np.full(len(low), np.nan) if female is None else np.asarray(female, float))


def test_figures_of_known_answers():
    figures = metrics.measure(_answers([30, 40, 26]), _labels([30, 50, 20], female=[1, 0, 1]))
    assert figures["mae"].value == pytest.approx(16 / 3)
    assert figures["cs5"].value == pytest.approx(1 / 3)
    assert figures["bias"].value == pytest.approx(-4 / 3)
    assert figures["coverage"].value == pytest.approx(1 / 3)
    assert figures["gender_accuracy"].value == pytest.approx(2 / 3)
    assert figures["mae"].n == 3
    assert figures["mae"].baseline == pytest.approx(10.0)  # the median label, 30, misses by 0, 20 and 10


def test_a_range_is_right_anywhere_inside_it_in_completed_years():
    labels = _labels([20, 20, 20], [29, 29, 29])
    assert metrics.measure(_answers([20, 29.9, 30]), labels)["within_range"].value == pytest.approx(2 / 3)
    assert metrics.errors(np.array([15.0, 25.0, 40.0]), labels).tolist() == [-5, 0, 11]


def test_one_off_counts_the_next_range_too_also_in_a_slice():
    ranges = np.array([(0, 2), (3, 9), (10, 19), (20, 29), (70, 120)], float)
    low, high = np.array([20, 20, 0, 0, 70, 70, 10]), np.array([29, 29, 2, 2, 120, 120, 19])
    labels = Labels(low.astype(float), high.astype(float), np.full(7, np.nan), ranges)
    ages = [10, 69.9, 9.9, 10, 20, 19.9, 2.9]  # 70+ is next to 20-29: nothing lies between
    for chosen in (slice(None), [4, 5]):
        part = metrics.measure(_answers(np.array(ages)[chosen]), labels.take(chosen))
        expected = np.array([1, 1, 1, 0, 1, 0, 0])[chosen].mean()
        assert part["one_off"].value == pytest.approx(expected)
    assert "one_off" not in metrics.measure(_answers([20]), _labels([20], [29]))


def test_what_is_not_labelled_does_not_count():
    figures = metrics.measure(_answers([30, 30]), _labels([np.nan, 31], female=[1, np.nan]))
    assert figures["mae"].n == 1
    assert figures["gender_accuracy"].n == 1


def test_bootstrap_interval_covers_the_mean_and_narrows_with_n():
    draw = np.random.default_rng(0)
    few, many = metrics.bootstrap(draw.normal(5, 2, 50)), metrics.bootstrap(draw.normal(5, 2, 5000))
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 3


def test_calibration_error_is_nil_when_confidence_is_honest():
    probability = np.repeat([0.55, 0.75, 0.95], 1000)
    honest = np.concatenate([np.arange(1000) < p * 1000 for p in (0.55, 0.75, 0.95)])
    assert metrics.calibration_error(probability, honest) == pytest.approx(0, abs=1e-9)
    assert metrics.calibration_error(probability, np.ones(3000, bool)) == pytest.approx(0.25)
    assert [b["n"] for b in metrics.reliability(probability, honest)] == [1000, 1000, 1000]


def test_confusion_counts_every_labelled_face_once():
    matrix = metrics.confusion(_answers([1, 25, 85, 33]), _labels([1, 35, 90, np.nan]))
    assert matrix.sum() == 3
    assert matrix[0, 0] == matrix[4, 3] == matrix[9, 9] == 1


def test_bands_have_names_and_no_gaps():
    names = [metrics.band_name(i) for i in range(len(metrics.BANDS))]
    assert names[0] == "0-2"
    assert names[-1] == "80+"
    for (_, high), (low, _) in zip(metrics.BANDS, metrics.BANDS[1:], strict=False):
        assert low == high + 1
