"""How the faces of a labelled folder come into UTKFace's geometry.

utkface   each picture is one face, cut as UTKFace cuts: only resized
fairface  each picture is one face, cut as FairFace cuts, about 6 % wider
align     any photographs: the face nearest the middle is found and aligned as a scan does it
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from agebatch.faces import alignment
from agebatch.faces.alignment import TEMPLATE
from agebatch.images.resizing import about
from agebatch.model.package import models_dir
from agebatch.pipeline.hush import hushed

FRAMINGS = ("utkface", "fairface", "align")
NO_FACE = "no face was found in it"

# Where eyes, nose and mouth corners lie, as fractions of the side: medians of what MTCNN finds in
# 93 FairFace chips of 128 pixels.
FAIRFACE_POINTS = np.array([(41, 38), (86, 38), (62, 66), (43, 87), (85, 86)]) / 128

_ALIGN_SIDE = 640  # pixels; a photograph is looked at with at least this longer side, where it has it
_ALIGN_LEAST = 0.1  # of the longer side; in a photograph with a label the face is not a speck
_ALIGN_TOGETHER = 16  # photographs that the detector sees together

Cut = Callable[[int], Image.Image]  # from the side of a chip in pixels to the chip


@dataclass(frozen=True)
class Framing:
    """How pictures become chips: `cut` gives one function for each picture, or None where there is no face."""

    cut: Callable[[Sequence[Image.Image]], list[Cut | None]]
    together: int = 1  # pictures that are cut at a time
    side: int | None = None  # pixels of the longer side that are enough; None: all there are


def framing_of(name: str, device: str = "auto") -> Framing:
    """Look a framing up; for `align` the detector is loaded, on that device, with the first pictures."""
    if name == "align":
        return Framing(_Aligning(device), _ALIGN_TOGETHER, _ALIGN_SIDE)
    source = source_box(name)
    return Framing(lambda pictures: [partial(_resized, picture, source) for picture in pictures])


def source_box(name: str) -> tuple[float, float, float, float]:
    """Say which part of a picture is UTKFace's chip: left, top, right, bottom as fractions of its sides.

    Least squares of scale and shift between the two sets of median points. No turn: medians of upright
    faces have none, and a plain box resizes with the best filter.

    >>> [round(edge, 3) for edge in source_box("fairface")]
    [0.036, 0.029, 0.977, 0.971]
    """
    if name == "utkface":
        return 0.0, 0.0, 1.0, 1.0
    here = FAIRFACE_POINTS - FAIRFACE_POINTS.mean(0)
    there = TEMPLATE - TEMPLATE.mean(0)
    span = float((here * here).sum() / (here * there).sum())  # of the picture's side, for one chip side
    left, top = FAIRFACE_POINTS.mean(0) - TEMPLATE.mean(0) * span
    return float(left), float(top), float(left + span), float(top + span)


def _resized(picture: Image.Image, source: tuple[float, float, float, float], side: int) -> Image.Image:
    box = tuple(edge * size for edge, size in zip(source, picture.size * 2, strict=True))
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=box)


class _Aligning:
    def __init__(self, device: str) -> None:
        self._device = device
        self._loading = threading.Lock()
        self._detector = None

    def __call__(self, pictures: Sequence[Image.Image]) -> list[Cut | None]:
        seen = [about(picture, _ALIGN_SIDE) for picture in pictures]
        found = self._loaded().detect([np.asarray(picture) for picture in seen])
        return [self._cut(picture, faces) for picture, faces in zip(seen, found, strict=True)]

    @staticmethod
    def _cut(picture: Image.Image, faces) -> Cut | None:
        if not len(faces):
            return None
        middles = faces.boxes[:, :2] + faces.boxes[:, 2:] / 2
        nearest = np.linalg.norm(middles - np.array(picture.size) / 2, axis=1).argmin()
        points = faces.points[nearest]
        return lambda side: Image.fromarray(alignment.cut(picture, points, side))

    def _loaded(self):
        with self._loading:
            if self._detector is None:
                with hushed():
                    from agebatch.faces.detector import Mtcnn  # noqa: PLC0415 - TensorFlow only where it is needed
                    from agebatch.model import devices  # noqa: PLC0415

                    # Before TensorFlow computes: afterwards it can't be changed.
                    devices.choose(self._device, "auto")
                    self._detector = Mtcnn.load(models_dir() / "detector", min_face=_ALIGN_LEAST)
        return self._detector
