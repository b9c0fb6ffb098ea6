"""Faces in pictures: the narrow protocol that `scan` uses, and MTCNN behind it."""

from __future__ import annotations

import copy
import functools
import hashlib
import importlib.util
import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
from PIL import Image

from agebatch.errors import ModelError, UsageError
from agebatch.faces import boxes as geometry
from agebatch.faces import canvas, cascade, pyramid
from agebatch.faces.networks import FINAL, WINDOW, ProposalWeights, Weights
from agebatch.faces.sampling import shared

MIN_FACE = 0.04  # of the picture's longer side
LEAST_FACE = 20  # pixels; what a fraction gives at least, so that small pictures are not searched for specks
MIN_SCORE = 0.8
MAX_FACES = 500
_CHUNK_PIXELS = 600_000  # of finest pyramid levels at a time: eight pictures at the default minimum face
_CHUNK_BYTES = 48_000_000  # of canvases at a time
_MOST_PADDING = 1.25  # times the pictures' own pixels; a run of its own costs more than this


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one picture, largest first, in pixels of that picture; `len` counts them."""

    boxes: np.ndarray  # (K, 4) float32 x, y, w, h, within the picture
    scores: np.ndarray  # (K,) float32, 0..1
    points: np.ndarray  # (K, 5, 2) float32 x, y: left eye, right eye, nose, mouth corners, as seen
    capped: bool = False  # the picture held more candidates, or more faces, than the detector takes

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Anything that finds faces in a batch of pictures."""

    def detect(self, batch: Sequence[np.ndarray]) -> list[Faces]:
        """Find faces in uint8 (H, W, 3) RGB pictures of any sizes; one `Faces` per picture, in order."""
        ...


class Lanes(Protocol):
    """Anything that computes several things at a time; `len` says how many."""

    def __len__(self) -> int: ...

    def map(self, call: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Call it with each item; results in the items' order."""
        ...


class Mtcnn:
    """MTCNN's published networks behind one batched TensorFlow graph.

    `traces` counts how often TensorFlow traced the graph: once for each device, whatever sizes come later.
    Source: Zhang et al. 2016, arXiv:1604.02878.
    """

    def __init__(
        self,
        weights: tuple[ProposalWeights, Weights, Weights],
        limits: cascade.Limits,
        *,
        min_face: float = MIN_FACE,
        min_score: float = MIN_SCORE,
        max_faces: int = MAX_FACES,
        lanes: Lanes | None = None,
    ) -> None:
        self.min_face = _checked_min_face(min_face)
        if not limits.final_score <= min_score < 1:
            raise UsageError(
                f"a face score of at least {min_score} can't be asked for",
                f"give a number from {limits.final_score} to below 1; the default is {MIN_SCORE}",
            )
        if max_faces < 1:
            raise UsageError(f"at most {max_faces} faces in a picture make no report", "give 1 or more")
        self.min_score = min_score
        self.max_faces = max_faces
        self.traces = 0
        self.stages = np.zeros(3, np.int64)  # windows, proposals, refined candidates seen so far
        self._build = functools.partial(cascade.build, *weights, limits)
        self._graph = self._build(self._traced)
        self._counting = threading.Lock()
        self._memory = canvas.Memory()
        self._map, self._at_once = (lanes.map, len(lanes)) if lanes else (map, 1)

    @classmethod
    def load(cls, folder: str | Path, **settings: Any) -> Mtcnn:
        """Load the detector whose card lies in `folder`.

        Args:
            folder: holds card.json, which names the weight files of the installed `mtcnn` package.
            settings: `min_face`, below 1 a fraction of the picture's longer side (and then at least 20 pixels),
                else pixels of the pictures given; `min_score`, 0.8..1; `max_faces` in one picture; `lanes`, where
                groups of pictures are looked at side by side.

        Raises:
            ModelError: the card or a weight file is missing, or is not the one that the card describes.
            UsageError: a setting makes no sense.
        """
        card = _card(Path(folder))
        pnet, rnet, onet = (_weight_file(card, name, digest) for name, digest in card["files"].items())
        weights = (
            ProposalWeights.from_arrays(pnet),
            Weights.from_arrays(rnet, layers=4),
            Weights.from_arrays(onet, layers=5),
        )
        return cls(weights, cascade.Limits.from_card(card), **settings)

    def detect(self, batch: Sequence[np.ndarray]) -> list[Faces]:
        """Find faces in uint8 (H, W, 3) RGB pictures of any sizes; one `Faces` per picture, in order."""
        pictures = [_Working.of(picture, self.min_face) for picture in batch]
        results: list[Faces | None] = [None] * len(pictures)
        groups = list(_grouped(pictures, self._at_once))
        found = self._map(self._run, [[pictures[i] for i in group] for group in groups])
        for group, several in zip(groups, found, strict=True):
            for index, faces in zip(group, several, strict=True):
                results[index] = faces
        return results

    def until(self, stage: int) -> Mtcnn:
        """Make a detector that stops behind a network, 1 or 2, or before the first, and finds nothing: to measure it.

        What it does before the first is to scale and pack the pictures.
        """
        shorter = copy.copy(self)
        shorter.stages = np.zeros_like(self.stages)
        shorter._graph = self._build(lambda: None, stage)
        return shorter

    def _run(self, group: Sequence[_Working]) -> list[Faces]:
        octaves = [canvas.octaves_of(picture.pixels) for picture in group]
        levels = [
            pyramid.levels_of(several, picture.scale) for several, picture in zip(octaves, group, strict=True)
        ]
        packed = pyramid.pack(levels)
        filled, corners, sizes = canvas.fill(
            [
                [picture.pixels, *map(np.asarray, several[1:])]
                for picture, several in zip(group, octaves, strict=True)
            ],
            self._memory,
        )
        found = self._graph(
            shared(filled), corners, sizes, packed.pixels, packed.owners, packed.corners, packed.scales
        )
        picture, boxes, scores, points, capped, counts = (value.numpy() for value in found)
        with self._counting:
            self.stages += counts
        return [
            self._faces(
                working, boxes[picture == i], scores[picture == i], points[picture == i], bool(capped[i])
            )
            for i, working in enumerate(group)
        ]

    def _faces(self, working: _Working, yxyx, scores, points, capped: bool) -> Faces:
        height, width = working.size
        yxyx, points = yxyx * working.reduction, points * working.reduction
        xywh = np.stack([yxyx[:, 1], yxyx[:, 0], yxyx[:, 3] - yxyx[:, 1], yxyx[:, 2] - yxyx[:, 0]], axis=1)
        xywh = geometry.clip(xywh, width, height)
        good = (scores >= self.min_score) & (geometry.area(xywh) > 0)
        # Points that fall together fix no chip; no face has them.
        good &= np.ptp(points, axis=1).max(axis=1, initial=0) > 1e-2 * working.min_face
        xywh, scores, points = xywh[good], scores[good], points[good]
        order = geometry.largest_first(xywh)
        kept = order[: self.max_faces]
        return Faces(xywh[kept], scores[kept], points[kept], capped or len(kept) < len(order))

    def _traced(self) -> None:
        self.traces += 1


@dataclass(frozen=True, slots=True)
class _Working:
    """One picture as the graph sees it."""

    pixels: np.ndarray  # uint8 (h, w, 3), reduced where the smallest face would be larger than any crop
    size: tuple[int, int]  # height, width as given
    reduction: int  # pixels as given per pixel here
    min_face: float  # pixels as given
    scale: float  # of the finest pyramid level: the smallest face becomes as large as a window

    @classmethod
    def of(cls, picture: np.ndarray, min_face: float) -> _Working:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise ValueError(f"a picture is uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
        size = picture.shape[:2]
        smallest = max(min_face * max(size), LEAST_FACE) if min_face < 1 else float(min_face)
        reduction = max(1, int(smallest // FINAL))
        if reduction > 1:
            picture = np.asarray(Image.fromarray(picture).reduce(reduction))
        return cls(picture, size, reduction, smallest, WINDOW * reduction / smallest)

    @property
    def level(self) -> tuple[int, int]:
        """Height and width of its finest pyramid level."""
        return pyramid.sized(self.pixels.shape[:2], self.scale)


def _grouped(pictures: Sequence[_Working], at_once: int = 1) -> Iterator[list[int]]:
    # Pictures of like shape share a run, so that little of it is padding; the graph takes any shape. Runs are of like
    # length where several go on at once: none waits long for the last.
    areas = [math.prod(picture.level) for picture in pictures]
    runs = at_once * math.ceil(sum(areas) / _CHUNK_PIXELS / at_once)
    most = min(_CHUNK_PIXELS, sum(areas) / max(runs, 1) + max(areas, default=0) / 2)

    def place(index: int) -> tuple[int, int, int]:
        height, width = pictures[index].level
        return round(height / 32), width, index

    group: list[int] = []
    for index in sorted(range(len(pictures)), key=place):
        if group and not _fits_together([pictures[i] for i in [*group, index]], most):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _fits_together(group: Sequence[_Working], most: float) -> bool:
    levels = np.array([picture.level for picture in group])
    padded = len(group) * int(levels.max(axis=0).prod())
    size, _ = canvas.layout(*np.max([picture.pixels.shape[:2] for picture in group], axis=0))
    return (
        padded <= min(most, _MOST_PADDING * int(levels.prod(axis=1).sum()))
        and len(group) * 3 * math.prod(size) <= _CHUNK_BYTES
    )


def _checked_min_face(min_face: float) -> float:
    if not (0.005 <= min_face < 1 or WINDOW <= min_face < math.inf):
        raise UsageError(
            f"a smallest face of {min_face} can't be searched for",
            f"give pixels from {WINDOW}, or a fraction of the longer side from 0.005 to below 1",
        )
    return min_face


def _card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the detector's card can't be read: {path}: {error}", _REINSTALL) from error
    missing = {"package", "folder", "files", "proposals", "refinement", "output"} - card.keys()
    if missing:
        raise ModelError(f"the detector's card {path} lacks {', '.join(sorted(missing))}", _REINSTALL)
    return card


def _weight_file(card: dict[str, Any], name: str, digest: str) -> list[np.ndarray]:
    # Found without importing the package (its import loads Keras), and unpickled only if it is the known file.
    spec = importlib.util.find_spec(card["package"])
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"the package {card['package']} with the detector's weights is missing", _REINSTALL)
    path = Path(spec.submodule_search_locations[0]) / card["folder"] / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the detector's weights can't be read: {path}: {error.strerror}", _REINSTALL
        ) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(f"the detector's weights are not the expected ones: {path}", _REINSTALL)
    return joblib.load(path)


_REINSTALL = "install agebatch again: `pip install --force-reinstall agebatch 'mtcnn==1.0.0'`"
