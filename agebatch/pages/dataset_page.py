"""The page about labelled folders: plots, a grid of faces, and labels that contradict each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agebatch.datasets.chips import Chips, load_chips
from agebatch.datasets.explain import BAND_NAMES, Explanation, Group, band_of, in_words
from agebatch.datasets.labelled import OLDEST, Labelled, Sample
from agebatch.pages import plots, shell
from agebatch.pages.thumbnails import data_uri
from agebatch.results.names import encode_path

PER_CELL = 6  # faces of one age band and gender
GROUPS_SHOWN = 48
ROWS_SHOWN = 300
SIDE = 96  # pixels; of the faces shown


class Explained(NamedTuple):
    """A data set, read and explained."""

    data: Labelled
    chips: Chips  # without pixels
    numbers: Explanation


def page_of(sets: Sequence[Explained]) -> str:
    """The page as HTML, the same for the same data; reads again only the few hundred pictures it shows."""
    return shell.render(
        "dataset.html.j2",
        title=", ".join(_name(one) for one in sets),
        per_cell=PER_CELL,
        sets=[_section(one) for one in sets],
    )


def _name(one: Explained) -> str:
    return encode_path(one.data.folder.name or str(one.data.folder))


def _section(one: Explained) -> dict[str, Any]:
    data, numbers = one.data, one.numbers
    shown = numbers.disagreeing[:GROUPS_SHOWN]
    cells = _cells(one)
    face = _faces(
        one, [i for row in cells for cell in row for i in cell] + [i for g in shown for i in g.members]
    )
    samples = data.samples
    return {
        "name": _name(one),
        "facts": _facts(one),
        "plots": _plots(numbers),
        "grid": [
            (name, *([face(i) for i in cell] for cell in row))
            for name, row in zip(BAND_NAMES, cells, strict=True)
            if any(row)
        ],
        "duplicates": duplicates_told(one),
        "groups": [{"told": group_told(g), "faces": [face(i) for i in g.members]} for g in shown],
        "groups_left": len(numbers.disagreeing) - len(shown),
        "suspects": [
            (_file(samples[s.index]), in_words(samples[s.index]), s.reason) for s in numbers.suspects
        ],
        "rejects": [(encode_path(r.file), r.reason, r.recovered or "–") for r in data.rejects[:ROWS_SHOWN]],
        "rejects_left": max(0, len(data.rejects) - ROWS_SHOWN),
        "unusable": [(encode_path(file), why) for file, why in numbers.unusable[:ROWS_SHOWN]],
        "unusable_left": max(0, len(numbers.unusable) - ROWS_SHOWN),
    }


def _facts(one: Explained) -> list[tuple[str, str, str]]:
    data, numbers = one.data, one.numbers
    lost = sum(not reject.recovered for reject in data.rejects)
    median = f"median {np.median(numbers.ages):g} years" if len(numbers.ages) else "ages only as ranges"
    named = "named as in UTKFace" if data.layout == "utkface" else "by labels.csv"
    return [
        (shell.number(len(data.samples)), "labelled pictures", named),
        (shell.percent(_share(numbers.genders, "female"), 0), "female", "of those with a gender"),
        (shell.number(len(numbers.ages)), "exact ages", median),
        (shell.number(sum(map(len, numbers.groups))), "near-duplicates",
         f"in {len(numbers.groups):,} groups"),
        (shell.number(len(numbers.disagreeing)), "groups that disagree", "in age or gender"),
        (shell.number(len(numbers.unusable)), "unusable", "reported, and left out"),
        (shell.number(len(data.rejects)), "labels not as they should be", f"{lost:,} of them left out"),
    ]  # fmt: skip


def _share(genders: dict[str, int], name: str) -> float | None:
    known = genders.get("female", 0) + genders.get("male", 0)
    return genders.get(name, 0) / known if known else None


def duplicates_told(one: Explained) -> str:
    """What there is to say about a data set's near-duplicates, in a few sentences."""
    numbers = one.numbers
    if not numbers.groups:
        return "None found: no photograph is here twice."
    files = sum(map(len, numbers.groups))
    text = (
        f"{files:,} files ({files / len(one.data.samples):.1%}) are the same photograph as another one:"
        f" mirrored, recoloured, rescaled or marked, in {len(numbers.groups):,} groups; {numbers.copies:,} are"
        " exact copies. A group is never divided between training and test."
    )
    differ = [group.years for group in numbers.sure]
    gender = sum(group.genders_differ for group in numbers.sure)
    if not differ:
        return text
    return text + (
        f" In the {len(differ):,} groups that surely are one photograph, ages differ by {np.mean(differ):.1f}"
        f" years on average (median {np.median(differ):g}), by more than 5 years in"
        f" {np.mean(np.array(differ) > 5):.0%} of them; the gender differs in {gender:,}."
        " That sets a floor: measured against such labels, no model comes out better than they agree."
    )


def group_told(group: Group) -> str:
    """How the labels of a group contradict each other."""
    parts = [f"{group.years:g} year{'' if group.years == 1 else 's'} apart"] if group.years else []
    return ", ".join([*parts, *(["gender differs"] if group.genders_differ else [])])


def _plots(numbers: Explanation) -> list[dict[str, Any]]:
    names = [band[0] for band in numbers.bands]
    female, male = [band[1] for band in numbers.bands], [band[2] for band in numbers.bands]
    rows = [(name, *(f"{n:,}" for n in counts)) for name, *counts in numbers.bands]
    drawn = []
    if len(numbers.ages):
        counts = np.bincount(numbers.ages.astype(int), minlength=1)
        most = int(counts.argmax())
        drawn.append({
            "heading": "Exact ages",
            "svg": plots.histogram(
                numbers.ages, np.arange(0, OLDEST + 2), title="Exact ages", x_label="age in years",
                y_label="pictures",
            ),
            "caption": f"One bar a year. {most} is the most frequent age: {counts[most] / counts.sum():.1%}.",
            "columns": ("age", "pictures"),
            "rows": [(age, f"{n:,}") for age, n in enumerate(counts.tolist()) if n],
        })  # fmt: skip
    if sum(female) + sum(male):
        drawn.append({
            "heading": "Ages and genders",
            "svg": plots.pyramid(names, female, male, title="Ages and genders", x_label="pictures"),
            "caption": "An age range counts where its middle lies.",
            "columns": ("age", "female", "male", "not labelled"),
            "rows": rows,
        })  # fmt: skip
    for heading, counts in (("Gender", numbers.genders), ("Ethnicity", numbers.ethnicities)):
        if set(counts) - {"not labelled"}:
            drawn.append({
                "heading": heading,
                "svg": plots.bars(list(counts), list(counts.values()), title=heading, x_label="pictures"),
                "caption": "As labelled.",
                "columns": (),
                "rows": (),
            })  # fmt: skip
    splits = numbers.splits
    drawn.append({
        "heading": "Split",
        "svg": plots.bars(list(splits), list(splits.values()), title="Split", x_label="pictures"),
        "caption": "By the hash of each photograph, the same on every machine.",
        "columns": (),
        "rows": (),
    })  # fmt: skip
    return drawn


def _cells(one: Explained) -> list[list[list[int]]]:
    """Which samples stand in the grid: band, then female and male, then up to PER_CELL indices."""
    cells: list[list[list[int]]] = [[[], []] for _ in BAND_NAMES]
    samples, prints = one.data.samples, one.chips.fingerprints
    for i in sorted(np.flatnonzero(one.chips.ok).tolist(), key=lambda i: prints[i]):
        sample = samples[i]
        if sample.age is None or sample.gender is None:
            continue
        cell = cells[band_of(sample.age)][0 if sample.gender == "female" else 1]
        if len(cell) < PER_CELL:
            cell.append(i)
    return [[sorted(cell, key=lambda i: samples[i].age or 0) for cell in row] for row in cells]


def _faces(one: Explained, wanted: list[int]) -> Callable[[int], dict[str, str]]:
    wanted = sorted(set(wanted))
    data = one.data
    chips = load_chips([data.samples[i] for i in wanted], data.folder, SIDE, data.framing)
    place = {index: n for n, index in enumerate(wanted)}

    def face(index: int) -> dict[str, str]:
        sample = data.samples[index]
        return {
            "uri": data_uri(chips.pixels[place[index]]),
            "label": in_words(sample),
            "age": in_words(dataclasses.replace(sample, gender=None, ethnicity=None)),
            "file": _file(sample),
        }

    return face


def _file(sample: Sample) -> str:
    return encode_path(sample.file)
