"""`agebatch show`: one photograph's faces as a table, and the picture where the terminal can show it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any

from agebatch import console
from agebatch.errors import InputError, UsageError
from agebatch.results.schema import Row, Status
from agebatch.settings import ScanSettings

if TYPE_CHECKING:
    from agebatch.pipeline.tools import Tools

COLUMNS = ("face", "age", "90 % interval", "gender", "confidence", "box", "score")


@dataclass(frozen=True)
class ShowSettings:
    """Everything `agebatch show` can be told; what it means is said at `ScanSettings`.

    `picture`: also the picture itself, where the terminal can show it.
    """

    photo: str
    picture: bool = True
    min_face: float | None = ScanSettings.min_face
    min_score: float = ScanSettings.min_score
    max_faces: int = ScanSettings.max_faces
    max_megapixels: float = ScanSettings.max_megapixels
    pre_cropped: bool = ScanSettings.pre_cropped
    model: str | None = ScanSettings.model
    device: str = ScanSettings.device

    def __post_init__(self) -> None:
        if not self.photo:
            raise UsageError("no photograph named", "agebatch show photo.jpg")
        self.as_scan()

    def as_scan(self) -> ScanSettings:
        """The scan of this one photograph; the same settings give the same rows."""
        return ScanSettings(
            paths=(self.photo,),
            output="-",
            min_face=self.min_face,
            min_score=self.min_score,
            max_faces=self.max_faces,
            max_megapixels=self.max_megapixels,
            pre_cropped=self.pre_cropped,
            model=self.model,
            device=self.device,
            workers=1,
        )


def run(settings: ShowSettings, make_tools: Callable[[ScanSettings], Tools] | None = None) -> None:
    """Show one photograph. Raises InputError where it can't be read, ModelError, UsageError for a folder."""
    rows = rows_of(settings, make_tools)
    status, message = str(rows[0]["status"]), str(rows[0]["message"] or "")
    if Status(status).is_error:
        raise InputError(f"can't read {settings.photo}: {message or status}", "is it a photograph?")
    faces = [row for row in rows if row["face"] is not None]
    if settings.picture:
        _show_picture(settings, faces)
    name = f"{settings.photo}, {rows[0]['width']} × {rows[0]['height']}"
    if message:
        console.warn(f"{settings.photo}: {message}")
    if not faces:
        console.note(f"no face found in {name}")
        return
    console.table([table_row(face) for face in faces], COLUMNS, name)


def rows_of(
    settings: ShowSettings, make_tools: Callable[[ScanSettings], Tools] | None = None
) -> Sequence[Row]:
    """The rows that a scan gives for this photograph."""
    # All of this loads slowly, and `agebatch --help` passes here for the settings.
    from agebatch.images.discovery import Found  # noqa: PLC0415
    from agebatch.pipeline.chain import Chain, Steps  # noqa: PLC0415
    from agebatch.pipeline.tools import real_tools  # noqa: PLC0415

    try:
        facts = os.stat(settings.photo)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"can't read {settings.photo}: {reason}", "check the name") from error
    if S_ISDIR(facts.st_mode):
        raise UsageError(f"{settings.photo} is a folder", "agebatch scan FOLDER -o results.csv")
    scan = settings.as_scan()
    tools = (make_tools or real_tools)(scan)
    with tools.readers() as readers:
        steps = Steps(
            readers,
            tools.detector,
            tools.predictor,
            tools.model,
            side=scan.largest_preview,
            min_face=scan.min_face or 0.0,
            pre_cropped=scan.pre_cropped,
        )
        chain = Chain([Found(settings.photo, facts.st_size, facts.st_mtime_ns)], steps, most=1)
        try:
            finished = list(chain)
        finally:
            chain.stop()
    chain.join()
    return finished[0].rows


def table_row(face: Row) -> tuple[str, ...]:
    """One face as the table shows it.

    >>> table_row({"face": 0, "age": 34.2, "age_low": 28.0, "age_high": 41.4, "gender": "female",
    ...     "gender_confidence": 0.97, "x": 10.0, "y": 20.0, "w": 30.0, "h": 40.0, "face_score": 0.999})
    ('1', '34.2', '28.0–41.4', 'female', '97.0 %', '10, 20, 30 × 40', '99.9 %')
    """

    def number(name: str, form: str, factor: float = 1, unit: str = "") -> str:
        value: Any = face.get(name)
        return "–" if value is None else format(factor * value, form) + unit

    return (
        str(int(face["face"] or 0) + 1),
        number("age", ".1f"),
        f"{number('age_low', '.1f')}–{number('age_high', '.1f')}",
        str(face.get("gender") or "–"),
        number("gender_confidence", ".1f", 100, " %"),
        f"{number('x', '.0f')}, {number('y', '.0f')}, {number('w', '.0f')} × {number('h', '.0f')}",
        number("face_score", ".1f", 100, " %"),
    )


def _show_picture(settings: ShowSettings, faces: Sequence[Row]) -> None:
    from agebatch.faces.drawing import annotate  # noqa: PLC0415
    from agebatch.faces.terminal import CELL, paint, protocol  # noqa: PLC0415
    from agebatch.images.reading import Picture, read  # noqa: PLC0415

    how = protocol(os.environ) if sys.stderr is not None and sys.stderr.isatty() else "none"
    if how == "none":
        return
    size = shutil.get_terminal_size((80, 24))
    columns, lines = size.columns - 1, max(6, size.lines - 6 - len(faces))
    side = max(columns * CELL[0], lines * CELL[1])
    picture = read(settings.photo, side=side, max_megapixels=settings.max_megapixels)
    if not isinstance(picture, Picture):
        return
    pixels, scale = _reduced(picture.pixels, side)
    marked = annotate(pixels, faces, scale=picture.scale * scale)
    sys.stderr.write(paint(marked, how, columns, lines))
    sys.stderr.flush()


def _reduced(pixels: Any, side: int) -> tuple[Any, float]:
    """Reduced before marking, so that the labels keep their size on the screen; and by which factor."""
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture), picture.width / pixels.shape[1]
