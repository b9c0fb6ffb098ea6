"""What was found in one photo → the rows of the report. Pure: no file is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agebatch.results.schema import Row, Status, row

CAPPED = "so crowded that some faces may be missing"


class Answer(Protocol):
    """What the model says of one face: years, and the probability 0..1 of `female`."""

    age: float
    low: float
    high: float
    female: float


@dataclass(frozen=True)
class Photo:
    """One file and what reading it gave: upright original size in pixels, and where it failed, why.

    `size` and `mtime_ns` are None where the file was gone, so that a later run looks at it again.
    """

    path: str
    size: int | None
    mtime_ns: int | None
    status: Status | None
    message: str = ""
    width: int | None = None
    height: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Located:
    """The faces of one photo in upright original pixels, largest first: boxes (K, 4) x, y, w, h;
    scores (K,), or None where the whole picture is the face; points (K, 5, 2).
    """

    boxes: np.ndarray
    scores: np.ndarray | None
    points: np.ndarray
    capped: bool = False

    def __len__(self) -> int:
        return len(self.boxes)


NOBODY = Located(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


def in_original(found: Located, preview: tuple[int, int], original: tuple[int, int]) -> Located:
    """Bring faces from the pixels of a preview to those of the upright original; sizes are (width, height).

    >>> one = Located(np.array([[1.0, 2, 3, 4]]), np.array([0.9]), np.ones((1, 5, 2)))
    >>> in_original(one, (10, 10), (40, 20)).boxes.tolist()
    [[4.0, 4.0, 12.0, 8.0]]
    """
    scale = np.divide(original, preview)
    boxes = found.boxes * np.tile(scale, 2)
    return Located(boxes, found.scores, found.points * scale, found.capped)


def at_least(found: Located, pixels: float) -> Located:
    """Drop the faces whose longer side is shorter than `pixels`."""
    keep = found.boxes[:, 2:].max(axis=1, initial=0) >= pixels
    scores = None if found.scores is None else found.scores[keep]
    return Located(found.boxes[keep], scores, found.points[keep], found.capped)


def whole(width: int, height: int) -> Located:
    """One face that fills the picture, for `--pre-cropped`."""
    return Located(np.array([[0, 0, width, height]], np.float64), None, np.zeros((1, 5, 2)))


def rows_of(photo: Photo, found: Located, answers: Sequence[Answer], model: str) -> list[Row]:
    """Make the rows of one photo: one for each face, or exactly one without face columns."""
    shared = {
        "path": photo.path,
        "width": photo.width,
        "height": photo.height,
        "file_size": photo.size,
        "file_mtime_ns": photo.mtime_ns,
        "model": model,
        "checksum": photo.checksum,
    }
    if photo.status is not None:
        return [row(**shared, status=photo.status.value, message=photo.message or photo.status.value)]
    message = photo.message
    if found.capped:
        message = "; ".join(filter(None, [message, CAPPED]))
    shared |= {"message": message or None, "faces": len(found)}
    if not len(found):
        return [row(**shared, status=Status.NO_FACE.value)]
    rows = []
    for index, answer in enumerate(answers):
        x, y, w, h = map(float, found.boxes[index])
        female = float(answer.female)
        rows.append(
            row(
                **shared,
                status=Status.OK.value,
                face=index,
                x=x,
                y=y,
                w=w,
                h=h,
                face_score=None if found.scores is None else float(found.scores[index]),
                age=float(answer.age),
                age_low=float(answer.low),
                age_high=float(answer.high),
                gender="female" if female >= 0.5 else "male",
                gender_confidence=max(female, 1 - female),
            )
        )
    return rows
