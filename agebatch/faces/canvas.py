"""A batch of pictures of different sizes as one array, each with its halves, quarters, … beside it.

Crops for the networks are taken from the octave in which the face is once to twice the crop's size: bilinear
sampling then reads every pixel, where sampling a large face in the full picture would skip most of them.

    +-----------+-----+
    |           | 1/2 |      every octave is framed by one repeated pixel, so that what stands
    |    1/1    +--+--+      next to it never bleeds in and padding changes nothing
    |           |¼ |
    +-----------+--+--+
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

OCTAVES = 7  # 1/1 … 1/64
FRAME = 1  # repeated pixels around each octave


def layout(height: int, width: int) -> tuple[tuple[int, int], np.ndarray]:
    """Place the octaves of the largest picture.

    Args:
        height: of the highest picture of the batch.
        width: of the widest.

    Returns:
        The canvas's (height, width), and (OCTAVES, 2) y, x of each octave's first pixel.
    """
    corners = [(FRAME, FRAME)]
    y, right = FRAME, width + 3 * FRAME
    for octave in range(1, OCTAVES):
        corners.append((y, right))
        y += _halved(height, octave) + 2 * FRAME
    size = max(height + 2 * FRAME, y - FRAME), right + _halved(width, 1) + FRAME
    return size, np.array(corners, np.int32)


def octaves_of(pixels: np.ndarray) -> list[Image.Image]:
    """Halve a picture, uint8 (H, W, 3), again and again: 2 × 2 pixels averaged, an odd last row or column alone."""
    octaves = [Image.fromarray(pixels)]
    for _ in range(OCTAVES - 1):
        octaves.append(octaves[-1].reduce(2))
    return octaves


def fill(pictures: Sequence[Sequence[Image.Image]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copy the octaves of pictures into one array.

    Args:
        pictures: the octaves of each, from `octaves_of`.

    Returns:
        uint8 (B, height, width, 3); (OCTAVES, 2) int32 y, x of the octaves' corners, the same for every picture;
        (B, OCTAVES, 2) int32 height, width of each octave.
    """
    size, corners = layout(max(p[0].height for p in pictures), max(p[0].width for p in pictures))
    canvas = np.zeros((len(pictures), *size, 3), np.uint8)
    sizes = np.zeros((len(pictures), OCTAVES, 2), np.int32)
    for index, octaves in enumerate(pictures):
        for octave, (picture, (y, x)) in enumerate(zip(octaves, corners, strict=True)):
            pixels = np.asarray(picture)
            height, width = sizes[index, octave] = pixels.shape[:2]
            _frame(canvas[index, y - FRAME : y + height + FRAME, x - FRAME : x + width + FRAME], pixels)
    return canvas, corners, sizes


def _frame(target: np.ndarray, pixels: np.ndarray) -> None:
    target[1:-1, 1:-1] = pixels
    target[0, 1:-1], target[-1, 1:-1] = pixels[0], pixels[-1]
    target[:, 0], target[:, -1] = target[:, 1], target[:, -2]


def _halved(size: int, octave: int) -> int:
    for _ in range(octave):
        size = (size + 1) // 2
    return size
