"""Geometry of boxes, in numpy: a box is `x, y, w, h` in pixels."""

from __future__ import annotations

import numpy as np


def area(boxes: np.ndarray) -> np.ndarray:
    """Area of each box: (N, 4) x, y, w, h to (N,) square pixels; a box turned inside out has none.

    >>> area(np.array([(0, 0, 2, 3), (5, 5, -1, 4)])).tolist()
    [6, 0]
    """
    return np.maximum(boxes[:, 2], 0) * np.maximum(boxes[:, 3], 0)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair of boxes.

    Args:
        a: (N, 4) x, y, w, h.
        b: (M, 4) x, y, w, h.

    Returns:
        (N, M) float64, 0..1; 0 where both boxes are empty.

    >>> iou(np.array([(0, 0, 2, 2)]), np.array([(1, 0, 2, 2), (0, 0, 2, 2)])).round(3).tolist()
    [[0.333, 1.0]]
    """
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    union = area(a)[:, None] + area(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Cut boxes off at the picture's edges; one that lies wholly outside becomes empty.

    Args:
        boxes: (N, 4) x, y, w, h.
        width: of the picture.
        height: of the picture.

    Returns:
        (N, 4) of the same type.

    >>> clip(np.array([(-5.0, 2.0, 20.0, 4.0)]), 10, 10).tolist()
    [[0.0, 2.0, 10.0, 4.0]]
    """
    limits = np.array([width, height])
    low = np.clip(boxes[:, :2], 0, limits)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], low, limits)
    return np.concatenate([low, high - low], axis=1).astype(boxes.dtype)


def largest_first(boxes: np.ndarray) -> np.ndarray:
    """Order boxes by area, the largest first; equal ones by top, then left.

    Args:
        boxes: (N, 4) x, y, w, h.

    Returns:
        (N,) indices.

    >>> largest_first(np.array([(9, 0, 1, 1), (0, 0, 3, 3), (2, 0, 1, 1)])).tolist()
    [1, 2, 0]
    """
    return np.lexsort((boxes[:, 0], boxes[:, 1], -area(boxes)))


def matches(found: np.ndarray, wanted: np.ndarray, threshold: float) -> np.ndarray:
    """Pair found boxes with wanted ones, each used once, best overlap first.

    Args:
        found: (N, 4) x, y, w, h.
        wanted: (M, 4) x, y, w, h.
        threshold: least intersection over union of a pair.

    Returns:
        (M,) index of the found box paired with each wanted one, -1 where none is.

    >>> matches(np.array([(0, 0, 4, 4), (9, 9, 4, 4)]), np.array([(9, 8, 4, 4), (1, 0, 4, 4)]), 0.4).tolist()
    [1, 0]
    """
    overlap = iou(found, wanted)
    paired = np.full(len(wanted), -1)
    for index in np.argsort(-overlap, axis=None, kind="stable"):
        f, w = np.unravel_index(index, overlap.shape)
        if overlap[f, w] < threshold:
            break
        if paired[w] < 0 and f not in paired:
            paired[w] = f
    return paired
