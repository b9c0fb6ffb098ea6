"""What a scan writes besides the report: faces as pictures, marked copies, sidecars, a page."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np

from agebatch import console
from agebatch.errors import OutputError, UsageError
from agebatch.pipeline.chain import Finished
from agebatch.results.names import encode_path
from agebatch.settings import ScanSettings

_LONGEST_NAME = 240  # bytes, of the 255 that file systems allow


class Extras:
    """The further outputs of one scan. Raises UsageError where one would land among the photographs."""

    def __init__(self, settings: ScanSettings) -> None:
        self._settings = settings
        self.made: list[str] = []
        for name in filter(None, (settings.annotate, settings.save_crops)):
            if not settings.output_inside:
                _require_outside(name, settings.paths)
        self._crops = 0

    def never(self) -> frozenset[str]:
        """Our own files and folders, which are never scanned."""
        own = (self._settings.output, self._settings.html, self._settings.summary_json,
               self._settings.annotate, self._settings.save_crops)  # fmt: skip
        return frozenset(name for name in own if name and name != "-")

    def add(self, finished: Finished) -> None:
        """Write what belongs to one photo, before its rows count as done."""
        if self._settings.save_crops:
            self._save_crops(finished, Path(self._settings.save_crops))

    def flush(self) -> None:
        """Wait until everything that was added is on the disk."""

    def after(self, output: str, carried: int) -> None:
        """Write what belongs to the whole report."""
        if self._settings.save_crops:
            self.made.append(f"{self._crops:,} faces in {self._settings.save_crops}")
            if carried:
                console.warn(
                    f"faces of the {carried:,} photographs carried over were not saved (--fresh does)"
                )

    def _save_crops(self, finished: Finished, folder: Path) -> None:
        from PIL import Image  # noqa: PLC0415

        for row, chip in zip(finished.rows, finished.chips, strict=False):
            # Lossless: scanned with --pre-cropped it gives the same age.
            target = below(folder, str(row["path"]), f"-{row['face']}.png")
            picture = Image.fromarray(np.ascontiguousarray(chip))
            _save(target, lambda file, picture=picture: picture.save(file, "PNG"))
            self._crops += 1


def below(folder: Path, path: str, ending: str) -> Path:
    """Where something made from the photo at `path` stands: the same path below `folder`, and an ending.

    >>> below(Path("out"), "/srv/a/b.jpg", "-0.png").as_posix(), below(Path("o"), "../x.jpg", "").as_posix()
    ('out/srv/a/b.jpg-0.png', 'o/__/x.jpg')
    """
    parts = ["__" if part == ".." else part for part in path.split("/") if part not in ("", ".")]
    *folders, name = parts or ["photo"]
    raw = os.fsencode(name)
    if len(raw) + len(ending) > _LONGEST_NAME:
        name = raw[:150].decode("utf-8", "ignore") + "~" + hashlib.sha256(raw).hexdigest()[:12]
    return folder.joinpath(*folders, name + ending)


def _save(target: Path, write: object) -> None:
    """Write beside the name, then rename; an unfinished file has a hidden name."""
    part = target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise OutputError(
            f"can't write {encode_path(str(target))}: {error.strerror or error}",
            "free some space, or name another folder",
        ) from error


def _require_outside(folder: str, roots: tuple[str, ...]) -> None:
    place = Path(os.path.realpath(folder))
    for root in roots:
        if Path(root).is_dir() and place.is_relative_to(os.path.realpath(root)):
            raise UsageError(
                f"{folder} lies inside {root}: a later scan would take its pictures for photographs",
                "name a folder outside, or --output-inside if you mean it",
            )
