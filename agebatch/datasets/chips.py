"""Labelled pictures → chips in UTKFace's geometry, all in one read of each file.

A labelled picture is taken as one cropped face. `utkface` framing is the model's own geometry, so the
picture is only resized; `fairface` framing is about 6 % wider and is cut to UTKFace's first. Each read also
gives the SHA-256 of the file, which splits are made from, and a small grey thumbnail, which near-duplicates
are found with: always of the same size, so that every command finds the same groups.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from joblib import Parallel, delayed
from PIL import Image

from agebatch.datasets.labelled import Sample
from agebatch.faces.alignment import TEMPLATE
from agebatch.images.reading import Unread, decode

THUMBNAIL = 64  # pixels; side of the grey thumbnails
CHUNK = 128  # files per task: enough that joblib's own work doesn't count

# Where eyes, nose and mouth corners lie, as fractions of the side: medians of what MTCNN finds in
# 93 FairFace chips of 128 pixels.
FAIRFACE_POINTS = np.array([(41, 38), (86, 38), (62, 66), (43, 87), (85, 86)]) / 128


@dataclass(frozen=True)
class Chips:
    """The pictures of a data set, one entry per sample, in the samples' order; black where not ok."""

    pixels: np.ndarray  # uint8 (N, side, side, 3) RGB
    thumbnails: np.ndarray  # uint8 (N, THUMBNAIL, THUMBNAIL) grey
    ok: np.ndarray  # bool (N,)
    reasons: list[str]  # why a picture could not be read; "" where ok
    fingerprints: list[str]  # SHA-256 of each file, hexadecimal; "" where it could not be opened


def source_box(framing: str) -> tuple[float, float, float, float]:
    """Say which part of a picture is UTKFace's chip: left, top, right, bottom as fractions of its sides.

    Least squares of scale and shift between the two sets of median points. No turn: medians of upright
    faces have none, and a plain box resizes with the best filter.

    >>> [round(edge, 3) for edge in source_box("fairface")]
    [0.036, 0.029, 0.977, 0.971]
    """
    if framing == "utkface":
        return 0.0, 0.0, 1.0, 1.0
    here = FAIRFACE_POINTS - FAIRFACE_POINTS.mean(0)
    there = TEMPLATE - TEMPLATE.mean(0)
    span = float((here * here).sum() / (here * there).sum())  # of the picture's side, for one chip side
    left, top = FAIRFACE_POINTS.mean(0) - TEMPLATE.mean(0) * span
    return float(left), float(top), float(left + span), float(top + span)


def to_chip(pixels: np.ndarray, framing: str, side: int) -> np.ndarray:
    """Bring one cropped face, uint8 (H, W, 3), to a chip, uint8 (side, side, 3), anti-aliased."""
    return np.asarray(_resized(Image.fromarray(pixels), framing, side))


def _resized(picture: Image.Image, framing: str, side: int) -> Image.Image:
    left, top, right, bottom = source_box(framing)
    width, height = picture.size
    box = (left * width, top * height, right * width, bottom * height)
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=box)


def load_chips(
    samples: Sequence[Sample],
    folder: Path,
    side: int | None,
    framing: str = "utkface",
    *,
    jobs: int | None = None,
    tell: Callable[[int], None] = lambda read: None,
) -> Chips:
    """Read every picture of a data set; one that can't be read is marked, with the reason.

    Args:
        samples: from read_dataset, as are folder and framing.
        side: of the chips, in pixels; None: only thumbnails and fingerprints are wanted.
        jobs: threads; None: one per core.
        tell: called with the number of files that were just read, by one thread at a time.
    """
    count = len(samples)
    pixels = np.zeros((count, side or 0, side or 0, 3), np.uint8)
    thumbnails = np.zeros((count, THUMBNAIL, THUMBNAIL), np.uint8)
    reasons, fingerprints = [""] * count, [""] * count
    telling = Lock()

    def read(start: int) -> None:
        for i in range(start, min(start + CHUNK, count)):
            reasons[i], fingerprints[i], picture = _read(folder / samples[i].file)
            if picture is not None:
                if side:
                    pixels[i] = _resized(picture, framing, side)
                thumbnails[i] = _resized(picture, framing, THUMBNAIL).convert("L")
        with telling:
            tell(min(CHUNK, count - start))

    threads = Parallel(n_jobs=jobs or os.cpu_count() or 1, prefer="threads")
    threads(delayed(read)(start) for start in range(0, count, CHUNK))
    ok = np.array([not reason for reason in reasons], bool)
    return Chips(pixels, thumbnails, ok, reasons, fingerprints)


def _read(path: Path) -> tuple[str, str, Image.Image | None]:
    """Why not, fingerprint, picture. One that is read only in part would teach grey faces: it is left out."""
    picture = decode(path)
    reason = picture.message
    try:
        fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return reason or str(error.strerror), "", None
    return reason, fingerprint, None if reason or isinstance(picture, Unread) else picture.image
