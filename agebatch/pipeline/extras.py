"""What a scan writes besides the report: faces as pictures, marked copies, sidecars, a page."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from agebatch import console
from agebatch.errors import UsageError
from agebatch.pipeline.chain import Finished
from agebatch.results.atomic import output_errors
from agebatch.results.files import read_rows
from agebatch.results.schema import Row, Status
from agebatch.settings import ScanSettings

_LONGEST_NAME = 240  # bytes, of the 255 that file systems allow
_THREADS = 2


class Extras:
    """The further outputs of one scan.

    Each is written per photo, before the photo's rows count as done, so that an interruption loses none.

    Args:
        settings: what is wanted.
        write_page: makes the page for `--html` from a report.

    Raises:
        UsageError: pictures would land among the photographs, or the sidecars' prefix can't be a keyword.
    """

    def __init__(self, settings: ScanSettings, write_page: Callable[[str, str], None] | None = None) -> None:
        self._settings = settings
        self._write_page = write_page
        self._threads = ThreadPoolExecutor(_THREADS, "extras")
        self._crops = self._marked = self._sidecars = 0
        if settings.sidecar:
            from agebatch.results.sidecar import check_prefix  # noqa: PLC0415 - lxml

            check_prefix(settings.keyword_prefix)
        for name in filter(None, (settings.annotate, settings.save_crops)):
            if not settings.output_inside:
                _require_outside(name, settings.paths)

    def never(self) -> frozenset[str]:
        """Our own files and folders, which are never scanned."""
        own = (self._settings.output, self._settings.html, self._settings.summary_json,
               self._settings.annotate, self._settings.save_crops)  # fmt: skip
        return frozenset(name for name in own if name and name != "-")

    def add(self, finished: Finished) -> Future[None] | None:
        """Begin to write what belongs to one photo; None where there is nothing to wait for."""
        wanted = (
            self._settings.save_crops and finished.chips,
            self._settings.annotate,
            self._settings.sidecar,
        )
        if not any(wanted):
            return None
        return self._threads.submit(self._write, finished)

    def after(self, output: str, carried: int) -> list[str]:
        """Write what belongs to the whole report; gives what was made, for people."""
        settings, made = self._settings, []
        if carried and (settings.annotate or settings.sidecar):
            self._complete(output)
        if carried and settings.save_crops:
            console.warn(f"faces of the {carried:,} photographs carried over were not saved (--fresh does)")
        if settings.save_crops:
            made.append(f"{console.count(self._crops, 'face')} in {settings.save_crops}")
        if settings.annotate:
            made.append(f"{console.count(self._marked, 'marked photograph')} in {settings.annotate}")
        if settings.sidecar:
            made.append(console.count(self._sidecars, "sidecar"))
        if settings.html and self._write_page:
            self._write_page(output, settings.html)
            made.append(settings.html)
        return made

    def close(self) -> None:
        """Drop what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _write(self, finished: Finished) -> None:
        if self._settings.save_crops:
            self._save_crops(finished, Path(self._settings.save_crops))
        if self._settings.annotate:
            self._mark(finished.rows, Path(self._settings.annotate))
        if self._settings.sidecar:
            self._write_sidecar(finished.rows)

    def _complete(self, output: str) -> None:
        """Make what is missing for photographs whose rows were carried over."""
        for path, group in groupby(read_rows(output), key=lambda row: str(row["path"])):
            rows = list(group)
            if rows[0]["status"] != Status.OK.value:
                continue
            if self._settings.sidecar:
                self._write_sidecar(rows)
            if self._settings.annotate and not _marked(Path(self._settings.annotate), path).exists():
                self._mark(rows, Path(self._settings.annotate))

    def _save_crops(self, finished: Finished, folder: Path) -> None:
        from PIL import Image  # noqa: PLC0415

        for row, chip in zip(finished.rows, finished.chips, strict=False):
            # Lossless: scanned with --pre-cropped it gives the same age.
            target = below(folder, str(row["path"]), f"-{row['face']}.png")
            _make_folder(target.parent)
            part = target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.part")
            with output_errors(target):
                Image.fromarray(chip).save(part, "PNG")
                part.replace(target)
            self._crops += 1

    def _mark(self, rows: Sequence[Row], folder: Path) -> None:
        from agebatch.faces.drawing import save_annotated  # noqa: PLC0415
        from agebatch.images.reading import Unread, read  # noqa: PLC0415

        if rows[0]["status"] != Status.OK.value:
            return
        path = str(rows[0]["path"])
        picture = read(path, max_megapixels=self._settings.max_megapixels)
        if isinstance(picture, Unread):
            console.warn(f"{path} can't be marked: {picture.message}", path=path)
            return
        target = _marked(folder, path)
        _make_folder(target.parent)
        save_annotated(target, picture.pixels, rows, photo=path)
        self._marked += 1

    def _write_sidecar(self, rows: Sequence[Row]) -> None:
        from agebatch.results.sidecar import write_sidecar  # noqa: PLC0415

        if Status(str(rows[0]["status"])).is_error:
            return
        done = write_sidecar(str(rows[0]["path"]), rows, prefix=self._settings.keyword_prefix)
        self._sidecars += done.changed
        if done.problem:
            console.warn(f"{done.path} was left alone: {done.problem}", path=done.path)


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


def _marked(folder: Path, path: str) -> Path:
    return below(folder, path, "" if path.lower().endswith((".jpg", ".jpeg")) else ".jpg")


def _make_folder(folder: Path) -> None:
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _require_outside(folder: str, roots: Iterable[str]) -> None:
    place = Path(os.path.realpath(folder))
    for root in roots:
        if Path(root).is_dir() and place.is_relative_to(os.path.realpath(root)):
            raise UsageError(
                f"{folder} lies inside {root}: a later scan would take its pictures for photographs",
                "name a folder outside, or --output-inside if you mean it",
            )
