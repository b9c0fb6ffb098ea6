"""Everything that is measured of a model on labelled faces, as one JSON-ready value.

`fit` puts it into the card, `evaluate` shows it. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from agebatch.datasets.examples import Examples
from agebatch.model import metrics
from agebatch.model.calibration import Answers
from agebatch.model.metrics import Labels

FEWEST = 5  # faces in a slice; fewer say nothing
CROSSED = "age × gender × ethnicity"
WIDE_BANDS = (("0-12", 0, 12), ("13-60", 13, 60), ("61+", 61, 200))


def labels_of(examples: Examples) -> Labels:
    """Labels as metrics take them: NaN where nothing is known."""
    known, sexed = examples.ages[:, 2] > 0, examples.genders[:, 1] > 0
    ranged = known & (examples.ages[:, 0] < examples.ages[:, 1])
    return Labels(
        np.where(known, examples.ages[:, 0], np.nan).astype(np.float64),
        np.where(known, examples.ages[:, 1], np.nan).astype(np.float64),
        np.where(sexed, examples.genders[:, 0], np.nan).astype(np.float64),
        np.unique(examples.ages[ranged, :2], axis=0) if ranged.any() else None,
    )


def evaluate(answers: Answers, examples: Examples) -> dict[str, Any]:
    """Measure answers overall and by slice.

    Returns:
        `overall`; `slices` (a list of {by, name, figures}): age bands, gender, ethnicity, and age band × gender ×
        ethnicity, the age always as labelled; `confusion` of age bands; `reliability` of the gender's confidence.
    """
    labels = labels_of(examples)
    slices = [
        {
            "by": by,
            "name": name,
            "figures": _json(metrics.measure(_take(answers, chosen), labels.take(chosen))),
        }
        for by, name, chosen in _slices(examples, labels)
        if chosen.sum() >= FEWEST
    ]
    known = ~np.isnan(labels.female)
    probability = np.maximum(answers.female, 1 - answers.female)[known]
    right = (answers.female[known] >= 0.5) == (labels.female[known] > 0.5)
    return {
        "n": len(examples),
        "overall": _json(metrics.measure(answers, labels)),
        "slices": slices,
        "bands": [metrics.band_name(i) for i in range(len(metrics.BANDS))],
        "confusion": metrics.confusion(answers, labels).tolist(),
        "reliability": metrics.reliability(probability, right),
    }


def _json(figures: dict[str, metrics.Figure]) -> dict[str, Any]:
    return {name: figure.to_json() for name, figure in figures.items()}


def _take(answers: Answers, chosen: np.ndarray) -> Answers:
    return Answers(
        answers.age[chosen],
        answers.low[chosen],
        answers.high[chosen],
        answers.female[chosen],
        answers.spread[chosen],
    )


def _slices(examples: Examples, labels: Labels) -> Iterator[tuple[str, str, np.ndarray]]:
    middle = (labels.age_low + labels.age_high) / 2
    band = metrics.band_of(middle)
    gender = np.array([sample.gender or "" for sample in examples.samples])
    ethnicity = np.array([sample.ethnicity or "" for sample in examples.samples])
    for index in sorted(set(band[band >= 0])):
        yield "age", metrics.band_name(index), band == index
    for name, low, high in WIDE_BANDS:
        yield "wide age", name, (middle >= low) & (middle <= high)
    yield from _by_value("gender", gender)
    yield "gender from 13 on", "13+", middle >= 13
    yield from _by_value("ethnicity", ethnicity)
    for index in sorted(set(band[band >= 0])):
        for sex in sorted(set(gender) - {""}):
            for group in sorted(set(ethnicity) - {""}):
                name = f"{metrics.band_name(index)} · {sex} · {group}"
                yield (
                    CROSSED,
                    name,
                    (band == index) & (gender == sex) & (ethnicity == group),
                )


def _by_value(by: str, values: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    for value in sorted(set(values) - {""}):
        yield by, str(value), values == value


def find(evaluation: dict[str, Any], by: str, name: str | None = None) -> dict[str, Any]:
    """The figures of one slice, or of all slices of a kind by name."""
    found = {part["name"]: part["figures"] for part in evaluation["slices"] if part["by"] == by}
    return found if name is None else found.get(name, {})


def worst(answers: Answers, examples: Examples, count: int) -> list[int]:
    """Indices of the largest errors of age, worst first."""
    error = np.abs(metrics.errors(answers.age, labels_of(examples)))
    order = np.argsort(-np.nan_to_num(error, nan=-1.0), kind="stable")
    return [int(i) for i in order[:count] if error[i] > 0]
