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

import math
import threading
from collections.abc import Sequence

import numpy as np
from PIL import Image

OCTAVES = 7  # 1/1 … 1/64
FRAME = 1  # repeated pixels around each octave
_ALIGNED = 64  # bytes; what TensorFlow asks of memory that it shall use without copying


class Memory(threading.local):
    """Room for the canvases of each thread, kept: fresh pages from the system cost more than filling them."""

    def __init__(self) -> None:
        self._bytes = np.zeros(0, np.uint8)

    def array(self, shape: Sequence[int]) -> np.ndarray:
        """Give a uint8 array that holds anything; it is good until this thread asks again."""
        size = math.prod(shape)
        if size > len(self._bytes):
            room = np.zeros(size + _ALIGNED, np.uint8)
            self._bytes = room[-room.ctypes.data % _ALIGNED :]
        return self._bytes[:size].reshape(shape)


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


def fill(
    pictures: Sequence[Sequence[np.ndarray]], memory: Memory
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copy the octaves of pictures into one array.

    Args:
        pictures: the octaves of each, uint8 (H, W, 3), from `octaves_of`.
        memory: where the array lies; outside the octaves and their frames it holds anything.

    Returns:
        uint8 (B, height, width, 3); (OCTAVES, 2) int32 y, x of the octaves' corners, the same for every picture;
        (B, OCTAVES, 2) int32 height, width of each octave.
    """
    sizes = np.array([[octave.shape[:2] for octave in octaves] for octaves in pictures], np.int32)
    size, corners = layout(*sizes[:, 0].max(axis=0).tolist())
    canvas = memory.array((len(pictures), *size, 3))
    for picture, octaves in zip(canvas, pictures, strict=True):
        for pixels, (y, x) in zip(octaves, corners, strict=True):
            height, width = pixels.shape[:2]
            _frame(picture[y - FRAME : y + height + FRAME, x - FRAME : x + width + FRAME], pixels)
    return canvas, corners, sizes


def _frame(target: np.ndarray, pixels: np.ndarray) -> None:
    target[1:-1, 1:-1] = pixels
    target[0, 1:-1], target[-1, 1:-1] = pixels[0], pixels[-1]
    target[:, 0], target[:, -1] = target[:, 1], target[:, -2]


def _halved(size: int, octave: int) -> int:
    for _ in range(octave):
        size = (size + 1) // 2
    return size
