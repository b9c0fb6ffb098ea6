"""How good answers are: the field's standard figures, each with n, a bootstrap interval and a trivial baseline.

numpy only. Ages are in years, probabilities 0..1. An age known as a range counts as right anywhere inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agebatch.model.calibration import Answers

RESAMPLES = 1000
BINS = 10  # of the reliability diagram
BANDS = ((0, 2), (3, 12), (13, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 79), (80, 116))


@dataclass(frozen=True)
class Figure:
    """One measured figure: its value, a 95 % bootstrap interval, on how many faces, and the baseline's value."""

    value: float
    low: float
    high: float
    n: int
    baseline: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return {key: None if item is None else round(item, 4) for key, item in asdict(self).items()}


@dataclass(frozen=True)
class Labels:
    """What is known of the faces, one entry each; NaN where nothing is."""

    age_low: np.ndarray  # (N,) years
    age_high: np.ndarray  # (N,) years, equal to age_low where the age is exact
    female: np.ndarray  # (N,) 1 or 0
    ranges: np.ndarray | None = None  # (R, 2) years, lowest first: those by which the whole data set labels

    def __len__(self) -> int:
        return len(self.female)

    def take(self, chosen: np.ndarray) -> Labels:
        """Some of them."""
        return Labels(self.age_low[chosen], self.age_high[chosen], self.female[chosen], self.ranges)


def errors(age: np.ndarray, labels: Labels) -> np.ndarray:
    """Signed error in years, (N,): above the label positive, 0 inside a range, NaN where not labelled."""
    above, below = np.maximum(age - labels.age_high, 0), np.maximum(labels.age_low - age, 0)
    return above - below


def bootstrap(values: np.ndarray, baseline: float | None = None, seed: int = 0) -> Figure:
    """Give a mean with its 95 % percentile bootstrap interval (Efron 1979); NaN values are left out.

    >>> bootstrap(np.array([1.0, 1.0, np.nan]))
    Figure(value=1.0, low=1.0, high=1.0, n=2, baseline=None)
    """
    values = values[~np.isnan(values)].astype(np.float64)
    if not len(values):
        return Figure(float("nan"), float("nan"), float("nan"), 0, baseline)
    low, high = np.percentile(_resampled(values, np.mean, seed), (2.5, 97.5))
    return Figure(float(values.mean()), float(low), float(high), len(values), baseline)


def _resampled(values: np.ndarray, statistic: Callable[[np.ndarray], float], seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.array([statistic(values[draw.integers(0, len(values), len(values))]) for _ in range(RESAMPLES)])


def calibration_error(probability: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over ten equal bins of 0.5..1 (Naeini et al. 2015).

    Args:
        probability: (N,) of the given answer.
        right: (N,) whether it was.
    """
    if not len(right):
        return float("nan")
    index = np.clip(((probability - 0.5) * 2 * BINS).astype(int), 0, BINS - 1)
    gaps = [
        abs(probability[index == b].sum() - right[index == b].sum())
        for b in range(BINS)
        if (index == b).any()
    ]
    return float(sum(gaps) / len(right))


def reliability(probability: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """For each bin of confidence that holds faces: its mean confidence, its accuracy and n."""
    index = np.clip(((probability - 0.5) * 2 * BINS).astype(int), 0, BINS - 1)
    return [
        {
            "confidence": float(probability[index == b].mean()),
            "accuracy": float(right[index == b].mean()),
            "n": int((index == b).sum()),
        }
        for b in range(BINS)
        if (index == b).any()
    ]


def measure(answers: Answers, labels: Labels) -> dict[str, Figure]:
    """Measure answers against labels.

    Returns:
        By name: `mae` (years), `cs5` (share within 5 years), `bias` (years), `gender_accuracy`, `coverage` (share of
        labels in the interval), `interval_width` (years), `gender_ece`, and for ranges `within_range` (share inside,
        at the resolution of whole years) and `one_off` (share inside the labelled range or the next one, as in Levi and
        Hassner 2015). Baselines: the median label for ages, the commoner gender.
    """
    figures: dict[str, Figure] = {}
    error = errors(answers.age, labels)
    known = ~np.isnan(error)
    exact = known & (labels.age_low == labels.age_high)
    if exact.any():
        truth = labels.age_low[exact]
        guess = np.full(len(labels), np.median(truth))
        trivial = np.abs(errors(guess, labels))[exact]
        figures["mae"] = bootstrap(np.abs(error[exact]), float(trivial.mean()))
        figures["cs5"] = bootstrap((np.abs(error[exact]) <= 5).astype(float), float((trivial <= 5).mean()))
        figures["bias"] = bootstrap(error[exact], float(errors(guess, labels)[exact].mean()))
        inside = (answers.low <= labels.age_low) & (labels.age_low <= answers.high)
        figures["coverage"] = bootstrap(inside[exact].astype(float))
        figures["interval_width"] = bootstrap((answers.high - answers.low)[exact])
    ranged = known & ~exact
    if ranged.any():
        # 29.4 is somebody of 29: a range of whole years ends just before the next one begins.
        age, low, high = (each[ranged] for each in (np.floor(answers.age), labels.age_low, labels.age_high))
        figures["within_range"] = bootstrap(((age >= low) & (age <= high)).astype(float))
        if labels.ranges is not None:
            below, above = _next_to(labels.ranges, low, high)
            figures["one_off"] = bootstrap(((age >= below) & (age <= above)).astype(float))
    known = ~np.isnan(labels.female)
    if known.any():
        female = labels.female[known] > 0.5
        probability = np.maximum(answers.female, 1 - answers.female)[known]
        right = (answers.female[known] >= 0.5) == female
        share = float(female.mean())
        figures["gender_accuracy"] = bootstrap(right.astype(float), max(share, 1 - share))
        figures["gender_ece"] = _calibration_figure(probability, right)
    return figures


def _next_to(ranges: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the range below each range begins and the one above it ends, (N,) each; at the ends, its own limits."""
    starts, ends = np.unique(ranges[:, 0]), np.unique(ranges[:, 1])
    below = np.maximum(np.searchsorted(starts, low) - 1, 0)
    above = np.minimum(np.searchsorted(ends, high, side="right"), len(ends) - 1)
    return starts[below], ends[above]


def _calibration_figure(probability: np.ndarray, right: np.ndarray) -> Figure:
    draw = np.random.default_rng(0)
    picks = (draw.integers(0, len(right), len(right)) for _ in range(RESAMPLES // 4))
    low, high = np.percentile([calibration_error(probability[p], right[p]) for p in picks], (2.5, 97.5))
    return Figure(calibration_error(probability, right), float(low), float(high), len(right))


def band_of(age: np.ndarray) -> np.ndarray:
    """Index into BANDS of ages in years, (N,); -1 for NaN.

    >>> band_of(np.array([0, 2.6, 3, 95, np.nan])).tolist()
    [0, 0, 1, 9, -1]
    """
    starts = np.array([low for low, _ in BANDS])
    index = np.searchsorted(starts, np.nan_to_num(age, nan=-1.0), side="right") - 1
    return np.where(np.isnan(age), -1, index)


def band_name(index: int) -> str:
    """Name a band for people: `20-29`, `80+`."""
    low, high = BANDS[index]
    return f"{low}-{high}" if index + 1 < len(BANDS) else f"{low}+"


def confusion(answers: Answers, labels: Labels) -> np.ndarray:
    """Count faces by labelled and answered band, int (bands, bands); a range counts by its middle."""
    truth = band_of((labels.age_low + labels.age_high) / 2)
    matrix = np.zeros((len(BANDS), len(BANDS)), int)
    known = truth >= 0
    np.add.at(matrix, (truth[known], band_of(answers.age[known])), 1)
    return matrix
