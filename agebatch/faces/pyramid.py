"""The sizes at which the proposal network sees a picture, packed into one array: one pass over it sees them all.

+---------------+      each level is 0.71 times the one before; a batch of pictures shares one layout,
|               |      made for the largest of them, and what no picture covers is grey
|      L0       |
+----------+----+
|    L1    | L4 |
|          +-+--+
+------+---+-++
|  L2  | L3  |
+------+-----+
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from agebatch.faces.networks import STRIDE, WINDOW

STEP = math.sqrt(0.5)  # from one level to the next
SLACK = STRIDE - 1  # pixels that a window may overhang the right and lower edge by, or faces there are missed
_GREY = 128


@dataclass(frozen=True)
class Pyramids:
    """The packed levels of a batch of pictures."""

    pixels: np.ndarray  # uint8 (B, height, width, 3)
    owners: np.ndarray  # int32 (B, rows, columns): 1 + the level that each window lies in, 0 for none
    corners: np.ndarray  # float32 (L, 2) y, x of the levels' first pixels
    scales: np.ndarray  # float32 (B, L, 2) y, x: level pixels per picture pixel


@dataclass(frozen=True)
class _Level:
    pixels: np.ndarray  # uint8 (h, w, 3)
    scale: tuple[float, float]  # y, x: pixels here per pixel of the picture


def levels_of(octaves: Sequence[Image.Image], scale: float) -> list[_Level]:
    """Scale a picture to all its levels, the finest `scale` times as large (at most 1), the last about one window.

    Only the two finest are resampled; the others are halves of these.

    Args:
        octaves: the picture, its half, its quarter, …
        scale: of the finest level.
    """
    whole = octaves[0]
    levels: list[_Level] = []
    pictures: list[Image.Image] = []
    while not levels or max(levels[-1].pixels.shape[:2]) >= WINDOW:
        if len(levels) < 2:
            size = sized(whole.size, scale * STEP ** len(levels))
            picture = _scaled(pictures[-1:] or octaves, size)
            factor = size[1] / whole.height, size[0] / whole.width
        else:
            picture = pictures[-2].reduce(2)
            factor = tuple(value / 2 for value in levels[-2].scale)
        pictures.append(picture)
        levels.append(_Level(np.asarray(picture), factor))
    return levels[:-1] or levels


def sized(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Tell how large a level is, in whole pixels, at least 1."""
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _scaled(octaves: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
    # From the smallest octave that is at least as large: every pixel counts, and few are read.
    source = next(
        (one for one in reversed(octaves) if one.width >= size[0] and one.height >= size[1]), octaves[0]
    )
    return source if source.size == size else source.resize(size, Image.Resampling.BOX)


def pack(pictures: Sequence[Sequence[_Level]]) -> Pyramids:
    """Pack the levels of a batch of pictures."""
    count = max(map(len, pictures))
    present = [[levels[k].pixels.shape for levels in pictures if k < len(levels)] for k in range(count)]
    room = [(max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)) for shapes in present]
    corners, (height, width) = layout(room)
    pixels = np.full((len(pictures), height, width, 3), _GREY, np.uint8)
    rows, columns = ((side - WINDOW) // STRIDE + 1 for side in (height, width))
    owners = np.zeros((len(pictures), rows, columns), np.int32)
    scales = np.ones((len(pictures), count, 2), np.float32)
    for i, levels in enumerate(pictures):
        for k, (level, (y, x)) in enumerate(zip(levels, corners, strict=False)):
            h, w = level.pixels.shape[:2]
            pixels[i, y : y + h, x : x + w] = level.pixels
            scales[i, k] = level.scale
            # Windows begin every STRIDE pixels; a level smaller than a window has one all the same.
            down, across = (max(0, side + SLACK - WINDOW) // STRIDE + 1 for side in (h, w))
            at_y, at_x = y // STRIDE, x // STRIDE
            owners[i, at_y : at_y + down, at_x : at_x + across] = k + 1
    return Pyramids(pixels, owners, np.array(corners, np.float32), scales)


def layout(room: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Place rectangles, largest first, each as high up as it goes, below one another's shadow, in the first's width.

    Args:
        room: height and width of each level.

    Returns:
        y, x of each, multiples of the stride; and height and width of the whole.
    """
    padded = [tuple(_even(max(side + SLACK, WINDOW)) for side in level) for level in room]
    width = max(w for _, w in padded)
    ground = np.zeros(width // STRIDE, int)  # how far down each pair of columns is taken
    corners = []
    for h, w in padded:
        span = w // STRIDE
        tops = [int(ground[x : x + span].max()) for x in range(len(ground) - span + 1)]
        x = int(np.argmin(tops))
        corners.append((tops[x], x * STRIDE))
        ground[x : x + span] = tops[x] + h
    return corners, (int(ground.max()), width)


def _even(side: int) -> int:
    return -(-side // STRIDE) * STRIDE
