"""What a labelled folder holds, as numbers: ages, genders, duplicates, and labels that contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agebatch.datasets.chips import Chips
from agebatch.datasets.duplicates import groups
from agebatch.datasets.labelled import OLDEST, Labelled, Sample
from agebatch.datasets.splits import SPLITS, split_all

# First years of the age bands that tables show; FairFace labels the same ones.
BANDS = (0, 3, 10, 20, 30, 40, 50, 60, 70)
BAND_NAMES = (*(f"{a}–{b - 1}" for a, b in pairwise(BANDS)), f"{BANDS[-1]}+")
GENDER_WEIGHT = 20  # years of difference that a differing gender is worth when groups are sorted
SURE = 0.84  # cosine from which two pictures are one photograph, with one exception in a thousand
FAR = 10  # years; labels of one photograph that differ by more can't both be a fair guess


@dataclass(frozen=True, slots=True)
class Group:
    """Files that show one photograph, and how far their labels contradict each other."""

    members: tuple[int, ...]  # indices of samples
    years: float  # by how much the ages differ at least; 0 where the ranges meet
    genders_differ: bool

    @property
    def badness(self) -> float:
        """How much the labels contradict each other, in years."""
        return self.years + GENDER_WEIGHT * self.genders_differ


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that is probably wrong, and why."""

    index: int  # of the sample
    reason: str


@dataclass(frozen=True)
class Explanation:
    """A data set in numbers."""

    bands: list[tuple[str, int, int, int]]  # age band; how many female, male, unknown gender
    genders: dict[str, int]
    ethnicities: dict[str, int]
    ages: np.ndarray  # float (M,), in years, of those with an exact age
    ranges: int  # how many have only a range
    ageless: int  # how many have no age
    unusable: list[tuple[str, str]]  # file, reason
    groups: list[list[int]]  # near-duplicates, indices of samples; what splits keep together
    sure: list[Group]  # those among them that surely are one photograph; worst first
    copies: int  # files that are byte for byte another file
    suspects: list[Suspect]  # worst first
    splits: dict[str, int]

    @property
    def disagreeing(self) -> list[Group]:
        """The groups whose labels contradict each other, worst first."""
        return [group for group in self.sure if group.badness > 0]


def explain(data: Labelled, chips: Chips) -> Explanation:
    """Count what is in a data set, and find its near-duplicates and their contradictions."""
    samples = data.samples
    found = groups(chips.thumbnails)
    sure = [_judge(some, samples) for group in found for some in _surely(group, chips.thumbnails)]
    sure.sort(key=lambda group: -group.badness)
    known = [print_ for print_ in chips.fingerprints if print_]
    split = [s for s, ok in zip(split_all(chips.fingerprints, found), chips.ok, strict=True) if ok]
    return Explanation(
        bands=_bands(samples),
        genders=_counts(sample.gender for sample in samples),
        ethnicities=_counts(sample.ethnicity for sample in samples),
        ages=np.array([s.age_low for s in samples if s.age_low is not None and s.age_low == s.age_high]),
        ranges=sum(s.age_low != s.age_high for s in samples),
        ageless=sum(s.age is None for s in samples),
        unusable=[(s.file, why) for s, why in zip(samples, chips.reasons, strict=True) if why],
        groups=found,
        sure=sure,
        copies=len(known) - len(set(known)),
        suspects=[suspect for group in sure for suspect in _suspects(group, samples)],
        splits={name: split.count(name) for name in SPLITS},
    )


def band_of(age: float) -> int:
    """Say which of BANDS an age in years belongs to.

    >>> BAND_NAMES[band_of(2.5)], BAND_NAMES[band_of(29)], BAND_NAMES[band_of(93)]
    ('0–2', '20–29', '70+')
    """
    return int(np.searchsorted(BANDS, age, side="right")) - 1


def in_words(sample: Sample) -> str:
    """A sample's labels as people say them.

    >>> in_words(Sample("a.jpg", 20, 29, "female")), in_words(Sample("a.jpg", 70, 116, None))
    ('20–29, female', '70+')
    """
    known = []
    if sample.age_low is not None and sample.age_high is not None:
        low, high = sample.age_low, sample.age_high
        known.append(f"{low:g}" if low == high else f"{low:g}+" if high == OLDEST else f"{low:g}–{high:g}")
    known += [word for word in (sample.gender, sample.ethnicity) if word]
    return ", ".join(known)


def _counts(values: object) -> dict[str, int]:
    return dict(Counter(value or "not labelled" for value in values).most_common())  # type: ignore[attr-defined]


def _bands(samples: Sequence[Sample]) -> list[tuple[str, int, int, int]]:
    counts = np.zeros((len(BANDS), 3), int)
    place = {"female": 0, "male": 1}
    for sample in samples:
        if sample.age is not None:
            counts[band_of(sample.age), place.get(sample.gender or "", 2)] += 1
    return [(name, *row) for name, row in zip(BAND_NAMES, counts.tolist(), strict=True)]


def _surely(group: list[int], thumbnails: np.ndarray) -> list[list[int]]:
    """Leave out look-alikes: harmless where a split keeps them together, misleading beside their labels."""
    return [[group[i] for i in some] for some in groups(thumbnails[group], SURE)]


def _judge(group: list[int], samples: Sequence[Sample]) -> Group:
    members = [samples[i] for i in group]
    lows = [s.age_low for s in members if s.age_low is not None]
    highs = [s.age_high for s in members if s.age_high is not None]
    years = max(0.0, max(lows) - min(highs)) if lows and highs else 0.0
    return Group(tuple(group), years, len({s.gender for s in members if s.gender}) > 1)


def _suspects(group: Group, samples: Sequence[Sample]) -> list[Suspect]:
    """Those whose labels stand against those of their copies; of two, both, since either may be right."""
    if group.years <= FAR and not group.genders_differ:
        return []
    found = []
    for i in group.members:
        others = [samples[j] for j in group.members if j != i]
        reasons = [_against_age(samples[i], others), _against_gender(samples[i], others)]
        if reason := "; ".join(filter(None, reasons)):
            found.append(Suspect(i, reason))
    return found


def _against_age(sample: Sample, others: list[Sample]) -> str:
    ages = [other.age for other in others if other.age is not None]
    if sample.age_low is None or sample.age_high is None or not ages:
        return ""
    middle = float(np.median(ages))
    if sample.age_low - FAR <= middle <= sample.age_high + FAR or max(ages) - min(ages) > FAR:
        return ""
    said = " and ".join(f"{age:g}" for age in sorted(set(ages)))
    return f"its {'copy says' if len(ages) == 1 else 'copies say'} age {said}"


def _against_gender(sample: Sample, others: list[Sample]) -> str:
    genders = [other.gender for other in others if other.gender]
    against = sum(gender != sample.gender for gender in genders)
    if not sample.gender or against <= len(genders) / 2:
        return ""
    other = "male" if sample.gender == "female" else "female"
    return f"its {'copy says' if against == 1 else 'copies say'} {other}"
