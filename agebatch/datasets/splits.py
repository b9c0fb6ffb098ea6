"""Train, validation and test by hash: the same on every machine, near-duplicates never on two sides.

A file's fingerprint is the SHA-256 of its bytes, so that renaming, moving or unpacking into parts changes
nothing. A group of near-duplicates goes where its smallest fingerprint says. So a file without duplicates
keeps its split whatever else is added; a group of k files can only change sides when a new duplicate joins
it, then with a chance of 1/(k + 1) that the key changes at all, and one in four that this changes the split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
VALIDATION_SHARE = 0.04
TEST_SHARE = 0.10


def split_of(group_key: str) -> Split:
    """Say where a group of near-duplicates goes, by the hash of its key.

    >>> split_of("a"), split_of("a") == split_of("a")
    ('train', True)
    """
    draw = int.from_bytes(hashlib.sha256(group_key.encode()).digest()[:8], "big") / 2**64  # 0..1, even
    if draw < TEST_SHARE:
        return "test"
    return "validation" if draw < TEST_SHARE + VALIDATION_SHARE else "train"


def split_all(fingerprints: Sequence[str], groups: Iterable[Sequence[int]]) -> list[Split]:
    """Split files so that each group of near-duplicates stays on one side.

    Args:
        fingerprints: one per file, from agebatch.datasets.chips.
        groups: indices of files that belong together; a file in none is a group of its own.
    """
    keys = list(fingerprints)
    for group in groups:
        key = min(fingerprints[i] for i in group)
        for i in group:
            keys[i] = key
    return [split_of(key) for key in keys]
