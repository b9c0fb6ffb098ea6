"""What the kinds of report file have in common: which columns, and how a row becomes safe values.

A kind has a writer, which is given an open binary file and has `write(rows)` and `finish()`, and readers,
which are given one and yield rows or, several times quicker, only the `Key` of each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, BinaryIO, NamedTuple, Protocol

from agebatch.results.names import encode_path, one_line
from agebatch.results.schema import NAMES, Row, Value

# What every report of ours has had from the first version on; later columns may be missing in an old report.
REQUIRED: tuple[str, ...] = NAMES[: NAMES.index("model") + 1]


class NotOurs(Exception):
    """The file is whole but isn't a report: `missing` names columns that it lacks."""


class Damaged(Exception):
    """The file is a report that can't be read to its end."""


class Key(NamedTuple):
    """Of one row: what decides whether it is still valid. `path` as on disk, `faces` in the image."""

    path: str
    file_size: int | None
    file_mtime_ns: int | None
    model: str | None
    status: str | None
    faces: int | None
    checksum: str | None


class FormatWriter(Protocol):
    """Puts rows into an open binary file."""

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""

    def finish(self) -> None:
        """Put what is still held back into the file; the file stays open."""


@dataclass(frozen=True)
class Format:
    """One kind of report file."""

    writer: Callable[[BinaryIO], FormatWriter]
    rows: Callable[[BinaryIO], Iterator[Row]]
    keys: Callable[[BinaryIO], Iterator[Key]]
    columns: Callable[[BinaryIO], tuple[str, ...]]


_cells_of = itemgetter(*NAMES)
_STATUS, _MESSAGE = NAMES.index("status"), NAMES.index("message")


def cells(row: Row) -> list[Value]:
    """The row's values in the order of COLUMNS, text made safe for any format, empty text as None."""
    values = list(_cells_of(row))
    values[0] = encode_path(values[0])
    values[_STATUS] = getattr(values[_STATUS], "value", values[_STATUS])
    message = values[_MESSAGE]
    values[_MESSAGE] = one_line(message) if message else None
    return values


def plain(value: Any) -> Value:
    """A NumPy number as one of Python's, for `json`."""
    return value.item()


def check_columns(present: tuple[str, ...]) -> None:
    """Raise NotOurs where a column that every report has is missing."""
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        raise NotOurs(f"it has no column {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}")
