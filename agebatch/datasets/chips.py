"""Labelled pictures → chips in UTKFace's geometry, all in one read of each file.

Each read also gives the SHA-256 of the file, which splits are made from, and a small grey thumbnail, which
near-duplicates are found with: always of the same size, so that every command finds the same groups.
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

from agebatch.datasets.framing import NO_FACE, framing_of
from agebatch.datasets.labelled import Sample
from agebatch.images.reading import Unread, decode

THUMBNAIL = 64  # pixels; side of the grey thumbnails
CHUNK = 128  # files per task: enough that joblib's own work doesn't count


@dataclass(frozen=True)
class Chips:
    """The pictures of a data set, one entry per sample, in the samples' order; black where not ok."""

    pixels: np.ndarray  # uint8 (N, side, side, 3) RGB
    thumbnails: np.ndarray  # uint8 (N, THUMBNAIL, THUMBNAIL) grey
    ok: np.ndarray  # bool (N,)
    reasons: list[str]  # why a picture can't be used; "" where ok
    fingerprints: list[str]  # SHA-256 of each file, hexadecimal; "" where it could not be opened


def load_chips(
    samples: Sequence[Sample],
    folder: Path,
    side: int | None,
    framing: str = "utkface",
    *,
    device: str = "auto",
    jobs: int | None = None,
    tell: Callable[[int], None] = lambda read: None,
) -> Chips:
    """Read every picture of a data set; one that can't be used is marked, with the reason.

    Args:
        samples: from read_dataset, as are folder and framing.
        side: of the chips, in pixels; None: only thumbnails and fingerprints are wanted.
        device: where faces are looked for, if they are; see agebatch.model.devices.choose.
        jobs: threads; None: one per core.
        tell: called with the number of files that were just read, by one thread at a time.
    """
    count = len(samples)
    pixels = np.zeros((count, side or 0, side or 0, 3), np.uint8)
    thumbnails = np.zeros((count, THUMBNAIL, THUMBNAIL), np.uint8)
    reasons, fingerprints = [""] * count, [""] * count
    telling, framed = Lock(), framing_of(framing, device)

    def read_together(indices: range) -> None:
        pictures: dict[int, Image.Image] = {}
        for i in indices:
            reasons[i], fingerprints[i], picture = _read(folder / samples[i].file, framed.side)
            if picture is not None:
                pictures[i] = picture
        cuts = framed.cut(list(pictures.values())) if pictures else []
        for i, cut in zip(pictures, cuts, strict=True):
            if cut is None:
                reasons[i] = NO_FACE
                continue
            if side:
                pixels[i] = cut(side)
            thumbnails[i] = cut(THUMBNAIL).convert("L")

    def read(start: int) -> None:
        end = min(start + CHUNK, count)
        for first in range(start, end, framed.together):
            read_together(range(first, min(first + framed.together, end)))
        with telling:
            tell(end - start)

    threads = Parallel(n_jobs=jobs or os.cpu_count() or 1, prefer="threads")
    threads(delayed(read)(start) for start in range(0, count, CHUNK))
    ok = np.array([not reason for reason in reasons], bool)
    return Chips(pixels, thumbnails, ok, reasons, fingerprints)


def _read(path: Path, side: int | None) -> tuple[str, str, Image.Image | None]:
    """Why not, fingerprint, picture. One that is read only in part would teach grey faces: it is left out."""
    picture = decode(path, side=side)
    reason = picture.message
    try:
        fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return reason or str(error.strerror), "", None
    return reason, fingerprint, None if reason or isinstance(picture, Unread) else picture.image
