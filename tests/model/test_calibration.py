import numpy as np
import pytest

from agebatch.model import calibration
from agebatch.model.calibration import Calibration


def _distributions(middles, spread=4.0):
    years = np.arange(101)
    p = np.exp(-0.5 * ((years - np.asarray(middles, float)[:, None]) / spread) ** 2)
    return p / p.sum(1, keepdims=True)


def test_interval_holds_nine_of_ten_labels_of_new_faces():
    draw = np.random.default_rng(0)
    labels = draw.uniform(20, 70, 4000).round()
    ages = _distributions(labels + draw.normal(0, 6, 4000))
    logits = np.zeros(4000)
    fitted = calibration.fit(ages[:2000], logits[:2000], labels[:2000], np.full(2000, np.nan))
    answers = calibration.apply(fitted, ages[2000:], logits[2000:])
    inside = (answers.low <= labels[2000:]) & (labels[2000:] <= answers.high)
    assert 0.88 < inside.mean() < 0.92


def test_temperature_brings_overconfident_answers_down():
    draw = np.random.default_rng(1)
    truth = draw.normal(0, 1.5, 5000)
    female = (draw.uniform(size=5000) < 1 / (1 + np.exp(-truth))).astype(float)
    fitted = calibration.fit(_distributions(np.full(5000, 30.0)), 2 * truth, np.full(5000, np.nan), female)
    assert fitted.temperature == pytest.approx(2.0, abs=0.25)
    assert fitted.width == Calibration.width


def test_the_better_summary_is_chosen():
    skewed = np.zeros((200, 101))
    skewed[:, 20], skewed[:, 90] = 0.7, 0.3
    labels = np.full(200, 20.0)
    assert calibration.fit(skewed, np.zeros(200), labels, np.full(200, np.nan)).point == "median"


def test_nothing_labelled_leaves_the_defaults():
    nothing = np.full(3, np.nan)
    assert calibration.fit(_distributions([1, 2, 3]), np.zeros(3), nothing, nothing) == Calibration()


@pytest.mark.parametrize("middle", [0, 1, 37, 99, 100])
def test_median_and_mean_of_a_symmetric_distribution_agree_and_the_interval_contains_them(middle):
    ages = np.eye(101)[[middle]]
    mean, _ = calibration.summarise(ages, "mean")
    median, _ = calibration.summarise(ages, "median")
    assert mean[0] == pytest.approx(middle)
    assert median[0] == pytest.approx(middle, abs=1e-9)
    answers = calibration.apply(Calibration("median"), ages, np.array([1000.0]))
    assert 0 <= answers.low[0] <= answers.age[0] <= answers.high[0]
    assert answers.female[0] == pytest.approx(1.0)
