"""From a network's raw answers to years with an interval and a probability that can be believed.

Fitted on the validation split, never on test, and stored in the model's card. numpy only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

COVERAGE = 0.90  # of the labelled ages lie in the interval
NARROWEST = 0.5  # years; a spread below this says no more than "less than a year"
TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(4.0), 400))


@dataclass(frozen=True)
class Calibration:
    """What turns raw answers into reported ones.

    `point` says which summary of the age distribution is the age: `mean` or `median`. `width` is how many
    standard deviations of the distribution the interval reaches to each side, and `temperature` divides the
    gender's logit.
    """

    point: str = "mean"
    width: float = 1.645  # a normal distribution's, until fitted
    temperature: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """For the card."""
        return asdict(self)


@dataclass(frozen=True)
class Answers:
    """Reported answers, one entry per face."""

    age: np.ndarray  # (N,) years
    low: np.ndarray  # (N,) years, lower end of the interval
    high: np.ndarray  # (N,) years
    female: np.ndarray  # (N,) probability
    spread: np.ndarray  # (N,) standard deviation of the age distribution, years


def apply(calibration: Calibration, ages: np.ndarray, logits: np.ndarray) -> Answers:
    """Turn raw answers into reported ones.

    Args:
        calibration: from the model's card.
        ages: (N, 101) probabilities of the years 0..100.
        logits: (N,) of gender, positive for female.

    >>> answers = apply(Calibration(), np.eye(101)[[30]], np.array([0.0]))
    >>> answers.age.tolist(), answers.female.tolist()
    ([30.0], [0.5])
    """
    age, spread = summarise(ages, calibration.point)
    reach = calibration.width * spread
    female = 1 / (1 + np.exp(-np.clip(logits / calibration.temperature, -30, 30)))
    return Answers(age, np.maximum(age - reach, 0.0), age + reach, female, spread)


def summarise(ages: np.ndarray, point: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the mean or the median of age distributions, (N, 101), and their standard deviations, in years."""
    years = np.arange(ages.shape[1])
    ages = ages.astype(np.float64)
    mean = ages @ years
    spread = np.sqrt(np.maximum(ages @ years**2 - mean**2, NARROWEST**2))
    return (mean if point == "mean" else median(ages)), spread


def median(ages: np.ndarray) -> np.ndarray:
    """The age that splits a distribution in halves, between the bins by interpolation.

    Args:
        ages: (N, 101) probabilities; bin `a` stands for a - 0.5 to a + 0.5.

    >>> median(np.array([[0.25, 0.5, 0.25]])).tolist()
    [1.0]
    """
    total = np.cumsum(ages, axis=1)
    total /= total[:, -1:]
    index = np.argmax(total >= 0.5, axis=1)
    rows = np.arange(len(ages))
    before = np.where(index > 0, total[rows, index - 1], 0.0)
    inside = (0.5 - before) / np.maximum(total[rows, index] - before, 1e-12)
    return np.maximum(index - 0.5 + inside, 0.0)


def fit(ages: np.ndarray, logits: np.ndarray, labels: np.ndarray, female: np.ndarray) -> Calibration:
    """Fit on labelled faces that the network was not trained on.

    Args:
        ages: (N, 101) probabilities.
        logits: (N,).
        labels: (N,) exact ages in years, NaN where not known.
        female: (N,) 1 or 0, NaN where not known.

    Returns:
        The summary with the smaller mean absolute error; the conformal width (Lei et al. 2018, "Distribution-free
        predictive inference for regression": the ⌈0.9 (n + 1)⌉-th smallest scaled error); and the temperature
        with the smallest cross-entropy (Guo et al. 2017, "On calibration of modern neural networks").
    """
    point, width, temperature = "mean", Calibration.width, 1.0
    known = ~np.isnan(labels)
    if known.any():
        errors = {
            name: np.abs(summarise(ages[known], name)[0] - labels[known]).mean()
            for name in ("mean", "median")
        }
        point = min(errors, key=lambda name: (errors[name], name))
        age, spread = summarise(ages[known], point)
        scaled = np.sort(np.abs(age - labels[known]) / spread)
        rank = int(np.ceil(COVERAGE * (len(scaled) + 1)))
        # With fewer than nine faces no finite width holds 90 %: then the widest error seen.
        width = float(scaled[min(rank, len(scaled)) - 1])
    known = ~np.isnan(female)
    if known.any():
        logit, target = logits[known], female[known]
        loss = [np.mean(np.logaddexp(0, logit / t) - target * logit / t) for t in TEMPERATURES]
        temperature = float(TEMPERATURES[int(np.argmin(loss))])
    return Calibration(point, width, temperature)
