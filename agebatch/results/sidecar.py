"""Face regions and keywords as an XMP sidecar beside the photograph, which itself is never touched.

The name is `photo.jpg.xmp`, as digiKam, darktable and Immich write it: it belongs to one file even where
`photo.jpg` and `photo.cr2` lie side by side. A `photo.xmp` (Adobe's form, for raw files) is left alone.

Regions follow the Metadata Working Group's guidelines 2.0 (5.9): normalised, given by their centre, and "applied
to the stored image", that is *before* the EXIF orientation: so does digiKam read them. HEIF and AVIF store their
turns in the container, which every reader applies, so there the frame is the upright one.

Regions carry no name: a name is a person's, and a program would make a person "female, 34" of it. Age and gender
stand in the region's description and, for machines, in its extensions.

How it is merged into what other programs wrote there: `xmp.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agebatch.errors import UsageError
from agebatch.results.atomic import AtomicFile
from agebatch.results.schema import Row
from agebatch.results.xmp import MARK, Area, Region, merge

_DETAILS = (
    ("Age", "age"),
    ("AgeLow", "age_low"),
    ("AgeHigh", "age_high"),
    ("Gender", "gender"),
    ("GenderConfidence", "gender_confidence"),
    ("FaceScore", "face_score"),
)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What became of one sidecar: `changed` when it was written; `problem` says why it was left alone."""

    path: str
    changed: bool
    problem: str = ""


def sidecar_path(photo: str | os.PathLike[str]) -> str:
    """Where the sidecar of a photograph is.

    >>> sidecar_path("a/b.jpg")
    'a/b.jpg.xmp'
    """
    return os.fspath(photo) + ".xmp"


def check_prefix(prefix: str) -> str:
    """The prefix of our keywords, if it can be one. Raises UsageError."""
    if not prefix.strip() or not prefix.isprintable() or any(c in prefix for c in "|/,;"):
        raise UsageError(f"{prefix!r} can't be a keyword", "a word without | / , and ;")
    return prefix


def write_sidecar(photo: str | os.PathLike[str], rows: Sequence[Row], *, prefix: str = "agebatch") -> Sidecar:
    """Bring the sidecar of one photograph up to date; what is not ours in it stays as it is.

    Args:
        photo: the photograph as the rows' path names it, decoded.
        rows: all rows of this photograph; those without a face only remove what was ours before.
        prefix: the top of our keywords, `agebatch|age|30-39`.

    A photograph without faces gets no new sidecar. Nothing is written where nothing changes. A sidecar that is
    no XMP, or a photograph that can't be opened, is left alone and told of in `problem`.
    Raises OutputError where the folder can't be written.
    """
    path = sidecar_path(photo)
    faces = [row for row in rows if row.get("face") is not None and row.get("w") is not None]
    try:
        old = Path(path).read_bytes()
    except FileNotFoundError:
        old = b""
    except OSError as error:
        return Sidecar(path, False, f"can't read {path}: {error.strerror}")
    if not old and not faces:
        return Sidecar(path, False)
    try:
        turn = stored_orientation(photo) if faces else 1
    except Exception as error:  # Pillow raises anything
        return Sidecar(path, False, f"can't tell how the photo is stored: {error}")
    try:
        new = merge(old, regions(faces, turn), stored_size(faces, turn), keywords(faces, prefix), prefix)
    except ValueError as error:
        return Sidecar(path, False, f"{path} is left alone: {error}")
    if new == old:
        return Sidecar(path, False)
    with AtomicFile(path) as file:
        file.file.write(new)
    return Sidecar(path, True)


def regions(faces: Iterable[Row], orientation: int) -> list[Region]:
    """The faces' regions in the stored picture."""
    return [
        Region(
            stored_area(face, orientation),
            _describe(face),
            {name: str(face[column]) for name, column in _DETAILS if face.get(column) is not None},
        )
        for face in faces
    ]


def stored_size(faces: Sequence[Row], orientation: int) -> tuple[int, int]:
    """Width and height of the stored picture; zeros without a face."""
    if not faces:
        return 0, 0
    width, height = int(faces[0]["width"] or 0), int(faces[0]["height"] or 0)
    return (height, width) if orientation >= 5 else (width, height)


def keywords(faces: Iterable[Row], prefix: str = "agebatch") -> list[str]:
    """Our keywords of one photograph, sorted, each once.

    >>> keywords([{"age": 34.2, "gender": "female"}, {"age": 31.0, "gender": None}])
    ['agebatch|age|30-39', 'agebatch|gender|female']
    """
    found = set()
    for face in faces:
        if face.get("age") is not None:
            decade = int(float(face["age"] or 0) // 10 * 10)
            found.add(f"{prefix}|age|" + ("90+" if decade >= 90 else f"{decade}-{decade + 9}"))
        if face.get("gender"):
            found.add(f"{prefix}|gender|{face['gender']}")
    return sorted(found)


def stored_orientation(photo: str | os.PathLike[str]) -> int:
    """The EXIF orientation, 1..8, that a reader of the stored picture has yet to apply. May raise anything."""
    from PIL import ExifTags, Image  # noqa: PLC0415

    import agebatch.images.reading  # noqa: F401, PLC0415 - teaches Pillow HEIF and AVIF

    with Image.open(photo) as image:
        if image.format in ("HEIF", "AVIF"):
            return 1  # turned by the container, see above
        tags = image.tag_v2 if image.format == "TIFF" else image.getexif()  # type: ignore[attr-defined]
        value = tags.get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def stored_area(face: Row, orientation: int) -> Area:
    """A face's box (pixels of the upright picture) as the region of the stored picture, cut at its border.

    >>> face = {"x": 0, "y": 0, "w": 20, "h": 10, "width": 100, "height": 200}
    >>> stored_area(face, 1), stored_area(face, 6)
    ((0.1, 0.025, 0.2, 0.05), (0.025, 0.9, 0.05, 0.2))
    """
    width, height = float(face["width"] or 1), float(face["height"] or 1)
    left, right = _ends(face["x"], face["w"], width)
    top, bottom = _ends(face["y"], face["h"], height)
    u, v, w, h = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    x, y = {
        1: (u, v), 2: (1 - u, v), 3: (1 - u, 1 - v), 4: (u, 1 - v),
        5: (v, u), 6: (v, 1 - u), 7: (1 - v, 1 - u), 8: (1 - v, u),
    }[orientation]  # fmt: skip
    return (x, y, h, w) if orientation >= 5 else (x, y, w, h)


def _ends(start: Any, extent: Any, whole: float) -> tuple[float, float]:
    low, high = float(start) / whole, (float(start) + float(extent)) / whole
    return min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def _describe(face: Row) -> str:
    parts = []
    if face.get("age") is not None:
        interval = ""
        if face.get("age_low") is not None and face.get("age_high") is not None:
            interval = f" ({face['age_low']:.0f}–{face['age_high']:.0f})"
        parts.append(f"age {face['age']:.0f}{interval}")
    if face.get("gender"):
        sure = face.get("gender_confidence")
        parts.append(str(face["gender"]) + (f" {100 * float(sure):.0f} %" if sure is not None else ""))
    return MARK + ", ".join(parts)
