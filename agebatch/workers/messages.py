"""What a reading process is told and answers. Light, because both sides load it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Setup:
    """What a child is told once; `shared` is the inherited descriptor of the memory for previews."""

    side: int
    max_megapixels: float
    timeout: float
    pre_cropped: int | None
    decoder: Callable | None
    wanted_side: Callable[[int, int], int] | None
    shared: int
    shared_bytes: int


@dataclass(frozen=True, slots=True)
class LookRequest:
    """Read a photo and write its preview at `offset` of the shared memory."""

    path: str
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class CutRequest:
    """Cut the faces at `points` (K, 5, 2), in upright original pixels, from a photo of this size."""

    path: str
    points: np.ndarray
    chip: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LookReply:
    """A photo was read; its preview, uint8 of `shape` (h, w, 3), lies where the request said."""

    width: int
    height: int
    message: str
    shape: tuple[int, int, int]
