"""What a run has already done, kept beside the report until the report itself is written.

A hidden folder (`.results.csv.journal/`) holds one part per finished shard: a line of JSON for each row,
sorted by path, then one line with the number of rows and the SHA-256 of all that stands before it. A part
appears under its name only when it is complete and on the disk; one that is damaged all the same counts as
absent, so its images are computed again. Where two parts hold the same image, the later part is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from agebatch.errors import OutputError
from agebatch.results.atomic import WRITING, AtomicFile, beside, output_errors, real_output, sync_folder
from agebatch.results.layout import plain
from agebatch.results.names import one_line, path_key
from agebatch.results.schema import NAMES, Row

_PART = re.compile(r"part-(\d{6,})\.jsonl")
_path_of = itemgetter("path")


@dataclass(frozen=True)
class Image:
    """All rows of one image. `key` is its place in the report; of several, the smallest `rank` is right."""

    key: bytes
    rank: tuple[bool, int]
    rows: list[Row]


@dataclass(frozen=True)
class Part:
    """One finished shard: its file, its number, and the smallest path key in it."""

    file: Path
    number: int
    first: bytes


_Heap = list[tuple[bytes, tuple[bool, int], Image, Iterator[Image]]]


class Journal:
    """The finished shards of an unfinished run.

    Args:
        output: the report that the journal belongs to.
        on_damage: told about each damaged part that is set aside.
        read_only: only look (for a dry run, which holds no lock): nothing is tidied, kept or removed.

    Raises:
        OutputError: the journal can't be read, or a damaged part can't be removed.
    """

    def __init__(
        self,
        output: str | Path,
        on_damage: Callable[[str], None] = lambda message: None,
        *,
        read_only: bool = False,
    ) -> None:
        self.folder = beside(real_output(output), ".journal")
        self.read_only = read_only
        self.parts: list[Part] = []
        self._last = 0
        with output_errors(self.folder):
            self._open(on_damage)

    def _open(self, on_damage: Callable[[str], None]) -> None:
        if not self.read_only:
            shutil.rmtree(_doomed(self.folder), ignore_errors=True)
        if not self.folder.is_dir():
            return
        for file in sorted(self.folder.iterdir()):
            if file.name.endswith(WRITING):
                self._discard(file)
            elif match := _PART.fullmatch(file.name):
                self._last = max(self._last, int(match[1]))
                try:
                    rows = _read_part(file)
                except ValueError as error:
                    on_damage(f"{file} is damaged ({error}); its images are computed again")
                    self._discard(file)
                    continue
                if rows:
                    self.parts.append(Part(file, int(match[1]), path_key(rows[0]["path"])))

    def _discard(self, file: Path) -> None:
        if not self.read_only:
            file.unlink()

    def __bool__(self) -> bool:
        return bool(self.parts)

    def commit(self, rows: Iterable[Row]) -> None:
        """Keep the rows of one shard: every row of each of its images, images in any order.

        Raises:
            OutputError: the disk is full, or the like; what was kept before is safe.
        """
        ordered = sorted(rows, key=lambda row: path_key(row["path"]))  # stable: faces keep their order
        if not ordered or self.read_only:
            return
        number = self._last + 1
        with output_errors(self.folder):
            if not self.folder.is_dir():
                self.folder.mkdir()
                sync_folder(self.folder.parent)
        file = self.folder / f"part-{number:06d}.jsonl"
        with AtomicFile(file, clean=False) as target, output_errors(file):
            target.file.write(_pack(ordered))
        self._last = number
        self.parts.append(Part(file, number, path_key(ordered[0]["path"])))

    def images(self, model: str | None = None) -> Iterator[Image]:
        """Each finished image once, sorted by path.

        Of several results for one image the newest is right; with `model`, the newest of that model, so that
        a run with other settings, begun and left, costs nothing. Only parts that overlap are in memory.
        """
        waiting = sorted(self.parts, key=lambda part: part.first, reverse=True)
        heap: _Heap = []
        last: bytes | None = None
        while heap or waiting:
            while waiting and (not heap or waiting[-1].first <= heap[0][0]):
                _push(heap, _images_of(waiting.pop(), model))
            _, _, image, rest = heapq.heappop(heap)
            _push(heap, rest)
            if image.key != last:
                yield image
            last = image.key

    def remove(self) -> None:
        """Forget everything, in one step: a journal is never half removed."""
        self.parts.clear()
        if self.read_only:
            return
        with output_errors(self.folder), contextlib.suppress(FileNotFoundError):
            doomed = _doomed(self.folder)
            shutil.rmtree(doomed, ignore_errors=True)
            self.folder.rename(doomed)
            sync_folder(self.folder.parent)
            shutil.rmtree(doomed, ignore_errors=True)


def group_images(rows: Iterable[Row], age: int = 0, model: str | None = None) -> Iterator[Image]:
    """Group the rows that follow each other and have the same path; a higher `age` is newer."""
    for path, group in groupby(rows, key=_path_of):
        image = list(group)
        yield Image(path_key(path), (model is not None and image[0]["model"] != model, -age), image)


def merge_images(*streams: Iterable[Image]) -> Iterator[Image]:
    """Merge streams sorted by key; of an image that several hold, the right one is kept."""
    last: bytes | None = None
    for image in heapq.merge(*streams, key=lambda image: (image.key, image.rank)):
        if image.key != last:
            yield image
        last = image.key


def _push(heap: _Heap, images: Iterator[Image]) -> None:
    image = next(images, None)
    if image is not None:
        heapq.heappush(heap, (image.key, image.rank, image, images))


def _images_of(part: Part, model: str | None) -> Iterator[Image]:
    try:
        rows = _read_part(part.file)
    except (OSError, ValueError) as error:
        message = f"{part.file} was whole when this run began and can't be read now: {error}"
        raise OutputError(message, "run the same command again") from error
    return group_images(rows, part.number, model)


def _doomed(folder: Path) -> Path:
    return folder.with_name(folder.name + "-old")


def _pack(rows: list[Row]) -> bytes:
    encode = json.JSONEncoder(default=plain).encode  # ASCII, so that names that aren't UTF-8 come back
    body = "".join(f"{encode([row.get(name) for name in NAMES])}\n" for row in rows).encode("ascii")
    end = {"rows": len(rows), "sha256": hashlib.sha256(body).hexdigest(), "columns": NAMES}
    return body + encode(end).encode("ascii") + b"\n"


def _read_part(file: Path) -> list[Row]:
    """The rows of a part. Raises ValueError where it isn't whole."""
    body, _, end = file.read_bytes().removesuffix(b"\n").rpartition(b"\n")
    body += b"\n"
    try:
        last = json.loads(end)
        wanted, columns = last["sha256"], last["columns"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError("its last line is missing") from error
    if hashlib.sha256(body).hexdigest() != wanted:
        raise ValueError("its checksum is wrong")
    try:
        lines = json.loads(b"[" + body.rstrip().replace(b"\n", b",") + b"]")
        rows = [dict(zip(columns, line, strict=True)) for line in lines]
        if tuple(columns) != NAMES:  # another version began this run
            rows = [{name: row.get(name) for name in NAMES} for row in rows]
    except (ValueError, TypeError) as error:
        raise ValueError(one_line(str(error))) from error
    return rows
