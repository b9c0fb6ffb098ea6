"""Faces marked in a photograph: boxes and labels that stay readable at every size. Pillow and numpy only."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont

COLOURS = {
    "female": (230, 159, 0),
    "male": (86, 180, 233),
}  # Okabe and Ito, bright: black text on them is 8:1
OTHER = (240, 228, 66)
DARK = (17, 20, 24)
QUALITY = 90
_KEPT = (
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.ImageDescription,
)
_KEPT_OF_PICTURE = (
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.DateTimeDigitized,
    ExifTags.Base.OffsetTime,
    ExifTags.Base.OffsetTimeOriginal,
    ExifTags.Base.SubsecTimeOriginal,
    ExifTags.Base.ExposureTime,
    ExifTags.Base.FNumber,
    ExifTags.Base.ISOSpeedRatings,
    ExifTags.Base.FocalLength,
    ExifTags.Base.FocalLengthIn35mmFilm,
    ExifTags.Base.LensModel,
)

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def annotate(pixels: np.ndarray, faces: Sequence[Mapping[str, Any]], *, scale: float = 1.0) -> np.ndarray:
    """A copy of the picture with a box and a label for each face.

    Args:
        pixels: uint8 (H, W, 3) RGB, upright.
        faces: with the columns x, y, w, h in pixels of the upright original, age, age_low, age_high, gender,
            gender_confidence; a missing or empty value is left out of the label.
        scale: pixels of `pixels` per pixel of the original, where the picture is a reduced one.

    Labels go where they neither leave the picture nor cover another label or, where that can be helped,
    another face. The colour says the gender, and so does the label's word, or its letter beside a small face.
    """
    picture = Image.fromarray(pixels).convert("RGB")
    draw = ImageDraw.Draw(picture)
    boxes = [_box(face, scale) for face in faces]
    longer = max(picture.size)
    line = max(1, round(longer / 350))
    for face, box in zip(faces, boxes, strict=True):
        _frame(draw, box, _colour(face), line)
    taken: list[Box] = []
    # The largest first: small faces have their labels moved rather than large ones.
    for i in sorted(range(len(boxes)), key=lambda i: -_area(boxes[i])):
        label = _label(draw, faces[i], boxes[i], picture.size)
        if label is None:
            continue
        text, font, size = label
        others = [box for j, box in enumerate(boxes) if j != i]
        place = _place(boxes[i], size, picture.size, taken=taken, others=others, gap=2 * line)
        taken.append(place)
        _write(draw, place, text, font, _colour(faces[i]))
    return np.asarray(picture)


def label_of(face: Mapping[str, Any], *, short: bool = False) -> str:
    """The label's text.

    >>> face = {"age": 34.4, "age_low": 28.1, "age_high": 41.0, "gender": "female", "gender_confidence": 0.97}
    >>> label_of(face), label_of(face, short=True)
    ('34 (28-41) female 97 %', '34 f')
    """
    age, low, high = face.get("age"), face.get("age_low"), face.get("age_high")
    gender, sure = face.get("gender"), face.get("gender_confidence")
    if short:
        return " ".join(filter(None, ["" if age is None else f"{age:.0f}", gender[:1] if gender else ""]))
    interval = (
        "" if low is None or high is None else f"({low:.0f}-{high:.0f})"
    )  # Pillow's own font has no en dash
    percent = "" if sure is None or not gender else f"{min(99, int(100 * sure))} %"
    return " ".join(filter(None, ["" if age is None else f"{age:.0f}", interval, gender or "", percent]))


def save_annotated(
    path: str | Path,
    pixels: np.ndarray,
    faces: Sequence[Mapping[str, Any]],
    *,
    photo: str | Path | None = None,
) -> None:
    """Write the annotated picture as a JPEG, atomically.

    pixels: the upright picture, also a reduced one: the rows' `width` says of how many pixels the boxes speak.
    photo: the original, for the EXIF worth keeping: date, camera, lens, exposure, author. Not kept are the
    orientation (the copy is upright), the embedded preview (it would show the picture without marks) and the
    place: a copy with faces marked is made to be shown around.
    Raises OutputError.
    """
    from agebatch.results.atomic import AtomicFile  # noqa: PLC0415

    file = io.BytesIO()
    exif = kept_exif(photo) if photo is not None else Image.Exif()
    # Text on 4:2:0 chroma has coloured fringes.
    width = faces[0].get("width") if faces else None
    marked = annotate(pixels, faces, scale=pixels.shape[1] / float(width) if width else 1.0)
    Image.fromarray(marked).save(file, "JPEG", quality=QUALITY, subsampling=0, exif=exif)
    with AtomicFile(path) as output:
        output.file.write(file.getvalue())


def kept_exif(photo: str | Path) -> Image.Exif:
    """The part of a photograph's EXIF that a marked copy keeps; empty where there is none or it is broken."""
    kept = Image.Exif()
    try:
        with Image.open(photo) as image:
            exif = image.getexif()
            of_picture = exif.get_ifd(ExifTags.IFD.Exif)
        kept.update({tag: exif[tag] for tag in _KEPT if tag in exif})
        inner = {tag: of_picture[tag] for tag in _KEPT_OF_PICTURE if tag in of_picture}
        if inner:
            kept.get_ifd(ExifTags.IFD.Exif).update(inner)
        kept.tobytes()
    except Exception:  # a broken block costs the block, not the copy
        return Image.Exif()
    return kept


def _box(face: Mapping[str, Any], scale: float) -> Box:
    x, y, w, h = (float(face[name]) * scale for name in ("x", "y", "w", "h"))
    return x, y, x + w, y + h


def _colour(face: Mapping[str, Any]) -> tuple[int, int, int]:
    return COLOURS.get(str(face.get("gender")), OTHER)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _frame(draw: ImageDraw.ImageDraw, box: Box, colour: tuple[int, int, int], line: int) -> None:
    """A bright line between two dark ones, so that it shows on any background."""
    left, top, right, bottom = (round(value) for value in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    edge = max(1, line // 2)
    radius = round(min(right - left, bottom - top) * 0.06)
    for grow, width, ink in ((line + edge, line + 2 * edge, DARK), (line, line, colour)):
        outline = (left - grow, top - grow, right + grow, bottom + grow)
        draw.rounded_rectangle(outline, radius + grow, outline=ink, width=width)


def _label(
    draw: ImageDraw.ImageDraw, face: Mapping[str, Any], box: Box, picture: tuple[int, int]
) -> tuple[str, Any, tuple[int, int]] | None:
    """Text, font and size: the long text where it suits the face, else the short one."""
    longer, width = max(picture), box[2] - box[0]
    # Readable when the picture fills a screen; smaller in a crowd of small faces, never below 11 pixels.
    size = max(11, min(longer / 45, max(longer / 90, width / 5)))
    for short in (False, True):
        text = label_of(face, short=short)
        if not text:
            return None
        font = ImageFont.load_default(size=round(size))
        pad = max(2, round(size * 0.25))
        extent = (round(draw.textlength(text, font=font)) + 2 * pad, round(size * 1.15) + 2 * pad)
        # A long label over a small face would lie on its neighbours.
        if short or (extent[0] <= 2.2 * width and extent[0] <= picture[0]):
            return text, font, extent
    return None


def _place(
    box: Box,
    size: tuple[int, int],
    picture: tuple[int, int],
    *,
    taken: list[Box],
    others: list[Box],
    gap: int,
) -> Box:
    """The place near the box with the least harm: on no label first, then on no face, then nearest."""
    width, height = size
    left, top, right, bottom = box
    middle = (left + right - width) / 2
    lefts = (left - gap, right + gap - width, middle)
    spots = [(x, y) for y in (top - gap - height, bottom + gap) for x in lefts]
    spots += [(x, y) for x in (right + gap, left - gap - width) for y in (top, bottom - height)]
    spots += [(left + gap, top + gap), (left + gap, bottom - gap - height)]
    # Further and further away where it is crowded.
    spots += [(left - gap, top - gap - height * k) for k in (2, 3, 4)]
    spots += [(left - gap, bottom + gap + height * k) for k in (1, 2, 3)]

    def inside(spot: tuple[float, float]) -> Box:
        x = min(max(0.0, spot[0]), max(0, picture[0] - width))
        y = min(max(0.0, spot[1]), max(0, picture[1] - height))
        return x, y, x + width, y + height

    def harm(n: int) -> tuple[float, float, float]:
        place = inside(spots[n])
        own = _overlap(place, box)
        return sum(_overlap(place, o) for o in taken), sum(_overlap(place, o) for o in others) + own, n

    return inside(spots[min(range(len(spots)), key=harm)])


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _write(draw: ImageDraw.ImageDraw, place: Box, text: str, font: Any, colour: tuple[int, int, int]) -> None:
    left, top, right, bottom = (round(value) for value in place)
    height = bottom - top
    draw.rounded_rectangle(
        (left, top, right - 1, bottom - 1), height // 5, fill=colour, outline=DARK, width=max(1, height // 16)
    )
    draw.text(((left + right) / 2, (top + bottom) / 2), text, font=font, fill=DARK, anchor="mm")
