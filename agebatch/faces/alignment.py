"""From five points to a chip: the face turned, scaled and moved into UTKFace's own geometry.

Coordinates are continuous: the pixel in column `i` covers `i` to `i + 1`: they scale with the picture.
Points are left eye, right eye, nose, left and right mouth corner *as seen in the picture*.
Training chips have this geometry already; what is cut here must have the same, or ages drift by years.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

# (5, 2) x, y as fractions of the chip's side. Medians of the points found in UTKFace's own 200 x 200 chips.
TEMPLATE = np.array([(59, 58), (137, 58), (98, 104), (61, 136), (133, 136)], np.float64) / 200
TEMPLATE.flags.writeable = False

_NEIGHBOURS = 3  # pixels that a bicubic sample reaches for, so that the crop's edge is not the picture's


def similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Find the rotation, scale and shift that bring `points` nearest to `target` (least squares, unmirrored).

    Args:
        points: (N, 2) x, y; at least two different ones.
        target: (N, 2) x, y.

    Returns:
        (2, 3) float64 matrix `m` with `target ≈ points @ m[:, :2].T + m[:, 2]`.

    Raises:
        ValueError: the points fall together, or are not finite, so that they fix no similarity.

    Source: Umeyama 1991, in the plane, where the solution is one complex number.

    >>> similarity(np.array([(0, 0), (1, 0)]), np.array([(5, 5), (5, 7)])).round(3).tolist()
    [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]
    """
    source, goal = np.asarray(points, np.float64), np.asarray(target, np.float64)
    source_mean, goal_mean = source.mean(axis=0), goal.mean(axis=0)
    z = (source - source_mean) @ (1, 1j)
    w = (goal - goal_mean) @ (1, 1j)
    spread = float((abs(z) ** 2).sum())
    if not math.isfinite(spread) or spread <= 1e-12 * max(1.0, float((source_mean**2).sum())):
        raise ValueError("the points fall together or are not finite: no similarity fits them")
    turn = (z.conj() * w).sum() / spread
    linear = np.array([(turn.real, -turn.imag), (turn.imag, turn.real)])
    return np.column_stack([linear, goal_mean - linear @ source_mean])


def side_in_picture(points: np.ndarray) -> float:
    """Tell how many pixels of the picture the chip's side spans.

    Args:
        points: (5, 2) x, y in pixels.

    Returns:
        Pixels; infinite where the points are so far from a face that the best scale is zero.

    >>> round(side_in_picture(TEMPLATE * 80), 6)
    80.0
    """
    scale = float(np.hypot(*similarity(points, TEMPLATE)[:, 0]))
    return 1 / scale if scale else math.inf


def cut(picture: Image.Image, points: np.ndarray, chip: int) -> np.ndarray:
    """Cut one face as a chip in UTKFace's geometry, anti-aliased, black where the picture ends (as there).

    Args:
        picture: RGB.
        points: (5, 2) x, y in its pixels.
        chip: side of the chip in pixels.

    Returns:
        uint8 (chip, chip, 3) RGB.

    Raises:
        ValueError: the points fall together (see `similarity`).
    """
    to_picture = _inverse(similarity(points, TEMPLATE * chip))
    reduction = float(np.hypot(*to_picture[:, 0]))  # picture pixels per chip pixel
    corners = np.array([(0, 0), (chip, 0), (0, chip), (chip, chip)]) @ to_picture[:, :2].T + to_picture[:, 2]
    margin = _NEIGHBOURS * max(1.0, reduction)
    size = np.array(picture.size)
    low = np.clip(np.floor(corners.min(axis=0) - margin), 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) + margin), 0, size).astype(int)
    if (high <= low).any():
        return np.zeros((chip, chip, 3), np.uint8)
    crop = picture.crop((*low.tolist(), *high.tolist()))
    scale = np.ones(2)
    if reduction > 1:
        # An affine transform reads 16 pixels per sample whatever the scale: reduce first, or it aliases.
        smaller = np.maximum(1, np.round((high - low) / reduction)).astype(int)
        scale = smaller / (high - low)
        # Hamming's window is as sharp here as a bicubic one, for half the work.
        crop = crop.resize(tuple(smaller.tolist()), Image.Resampling.HAMMING, reducing_gap=3.0)
    linear = to_picture[:, :2] * scale[:, None]
    shift = (to_picture[:, 2] - low) * scale
    coefficients = np.column_stack([linear, shift]).ravel().tolist()
    aligned = crop.transform((chip, chip), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    return np.asarray(aligned)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    if abs(np.linalg.det(matrix[:, :2])) < 1e-24:
        raise ValueError("the points are those of no face: no similarity fits them")
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])
