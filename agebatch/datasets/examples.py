"""Labelled folders → arrays that training and evaluation take: chips, labels as numbers, and their split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agebatch.datasets.chips import load_chips
from agebatch.datasets.duplicates import groups
from agebatch.datasets.labelled import Sample, parse_dataset, read_dataset
from agebatch.datasets.splits import split_all
from agebatch.errors import InputError


@dataclass(frozen=True)
class Examples:
    """Labelled chips of one or several data sets, one entry per face."""

    pixels: np.ndarray  # uint8 (N, S, S, 3)
    ages: np.ndarray  # float32 (N, 3): low and high in years, inclusive; weight, 0 where not labelled
    genders: np.ndarray  # float32 (N, 2): 1 for female, 0 for male; weight, 0 where not labelled
    source: np.ndarray  # int (N,): which data set, in the order given
    split: np.ndarray  # str (N,): train, validation or test
    samples: list[Sample]
    fingerprints: list[str]  # SHA-256 of each file

    def __len__(self) -> int:
        return len(self.source)

    def take(self, chosen: np.ndarray) -> Examples:
        """Those of an array of indices or of booleans."""
        indices = np.arange(len(self))[chosen]
        return Examples(
            self.pixels[indices],
            self.ages[indices],
            self.genders[indices],
            self.source[indices],
            self.split[indices],
            [self.samples[i] for i in indices],
            [self.fingerprints[i] for i in indices],
        )


class Bar(Protocol):
    """Shows how many files were read; agebatch.console.Progress is one."""

    def advance(self, count: int = 1) -> None:
        """So many more."""


class _Unseen:
    def advance(self, count: int = 1) -> None:
        pass


@contextmanager
def _unseen(total: int, what: str) -> Iterator[Bar]:
    yield _Unseen()


def load_examples(
    arguments: Sequence[str],
    chip: int,
    limit: int | None = None,
    warn: Callable[[str], None] = lambda message: None,
    progress: Callable[[int, str], AbstractContextManager[Bar]] = _unseen,
    device: str = "auto",
) -> Examples:
    """Read data sets whole: labels, chips, near-duplicates, splits.

    Args:
        arguments: folders, each as `DIR` or `DIR:FRAMING`.
        chip: side of the chips in pixels.
        limit: at most so many faces of each data set, evenly chosen; None: all. Only these are read, so a group
            of near-duplicates is known by those of them that were chosen, and may fall into another split than
            in the whole data set.
        warn: told in one line each what could not be used.
        progress: makes a bar for so many files, as agebatch.console.progress does.
        device: where faces are looked for, if they are; see agebatch.model.devices.choose.

    Raises:
        InputError: a folder is missing, or holds no labelled picture that can be used.
    """
    parts: list[Examples] = []
    known: dict[str, str] = {}
    for number, argument in enumerate(arguments):
        folder, framing = parse_dataset(argument)
        data = read_dataset(folder, framing)
        samples = data.samples
        if limit and len(samples) > limit:
            samples = [samples[i] for i in np.linspace(0, len(samples) - 1, limit).round().astype(int)]
        lost = [reject for reject in data.rejects if not reject.recovered]
        if lost:
            warn(f"{folder}: {len(lost)} labels left out, the first: {lost[0].file}: {lost[0].reason}")
        with progress(len(samples), f"pictures of {folder}") as bar:
            chips = load_chips(samples, folder, chip, framing, device=device, tell=bar.advance)
        broken = np.flatnonzero(~chips.ok)
        if len(broken):
            first = broken[0]
            warn(
                f"{folder}: {len(broken)} pictures can't be used, {samples[first].file}: {chips.reasons[first]}"
            )
        if not chips.ok.any():
            raise InputError(
                f"{folder}: none of its {len(samples)} pictures can be used", "are they images of faces?"
            )
        own = split_all(chips.fingerprints, groups(chips.thumbnails))
        # A file that comes twice, perhaps framed in another way, stays on the side where it was first.
        split = [known.setdefault(*pair) for pair in zip(chips.fingerprints, own, strict=True)]
        every = Examples(
            chips.pixels,
            np.array([_age(sample) for sample in samples], np.float32),
            np.array([_gender(sample) for sample in samples], np.float32),
            np.full(len(samples), number),
            np.array(split),
            list(samples),
            chips.fingerprints,
        )
        parts.append(every if chips.ok.all() else every.take(chips.ok))
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[Examples]) -> Examples:
    arrays = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("pixels", "ages", "genders", "source", "split")
    ]
    return Examples(
        *arrays,
        [sample for part in parts for sample in part.samples],
        [fingerprint for part in parts for fingerprint in part.fingerprints],
    )


def _age(sample: Sample) -> tuple[float, float, float]:
    if sample.age_low is None or sample.age_high is None:
        return 0.0, 0.0, 0.0
    return sample.age_low, sample.age_high, 1.0


def _gender(sample: Sample) -> tuple[float, float]:
    return float(sample.gender == "female"), float(sample.gender is not None)


def digest(fingerprints: Sequence[str]) -> str:
    """Name a set of files by its content, whatever their names and order: 16 hexadecimal digits."""
    return hashlib.sha256("".join(sorted(fingerprints)).encode()).hexdigest()[:16]
