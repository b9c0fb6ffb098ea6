"""How sure the counts in a pyramid are: sums of what each face's own probabilities say. numpy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Z90 = 1.6448536269514722  # a normal distribution holds 90 % within ± this many standard deviations

_erf = np.frompyfunc(math.erf, 1, 1)


def band_probabilities(age: Any, low: Any, high: Any, edges: Any) -> np.ndarray:
    """The probability of each age band for each face.

    The age is the median, `low` and `high` the 5th and 95th percentile, between and beyond them two halves of
    normal distributions. Ages below the first edge belong to the first band, above the last edge to the last.

    age, low, high: (N,) years; edges: (B + 1,) ascending. Returns float (N, B), rows sum to 1.

    >>> band_probabilities([30.0], [20.0], [40.0], [0, 20, 40, 100]).round(3).tolist()
    [[0.05, 0.9, 0.05]]
    """
    age, low, high = (np.asarray(values, dtype=float)[:, None] for values in (age, low, high))
    inner = np.asarray(edges, dtype=float)[None, 1:-1]
    below = np.maximum(age - low, 1e-6) / Z90
    above = np.maximum(high - age, 1e-6) / Z90
    z = (inner - age) / np.where(inner < age, below, above)
    reached = 0.5 * (1 + _erf(z / math.sqrt(2)).astype(float))  # (N, B - 1): P(age < edge)
    ends = np.zeros((len(age), 1)), np.ones((len(age), 1))
    return np.diff(np.hstack([ends[0], reached, ends[1]]), axis=1)


def expected_counts(probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the number of faces in each class (a Poisson-binomial distribution).

    probabilities: (N, …), each face's own, taken as independent of the other faces'. What all faces share,
    such as a bias of the model, is not in it.

    >>> mean, spread = expected_counts([[1.0], [0.5], [0.5]])
    >>> mean.tolist(), spread.round(3).tolist()
    ([2.0], [0.707])
    """
    p = np.asarray(probabilities, dtype=float)
    return p.sum(axis=0), np.sqrt((p * (1 - p)).sum(axis=0))


def doubt(age_low: Any, age_high: Any, gender_confidence: Any) -> np.ndarray:
    """How uncertain a face is among its peers, 0 (surest) to 1: the mean of two ranks.

    One rank is that of the gender's improbability, the other that of the age interval's width; equal values
    share their mean rank, missing ones count as most uncertain. All (N,); returns float (N,).

    >>> doubt([20, 20, 10], [30, 30, 50], [0.9, 0.99, 0.5]).tolist()
    [0.375, 0.125, 1.0]
    """
    width = np.asarray(age_high, dtype=float) - np.asarray(age_low, dtype=float)
    return (_rank(-np.asarray(gender_confidence, dtype=float)) + _rank(width)) / 2


def _rank(values: np.ndarray) -> np.ndarray:
    """Mean rank of each value, 0..1."""
    filled = np.where(np.isnan(values), np.inf, values)
    _, place, counts = np.unique(filled, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2  # zero-based mean rank of each distinct value
    return middle[place] / max(1, len(values) - 1)
