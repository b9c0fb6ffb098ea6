"""The columns of a report, declared once: writers, readers, the README and the tests use this table.

A row is a plain `dict` from column name to `str`, `int`, `float` or `None`, holding every column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

Value: TypeAlias = str | int | float | None
Row: TypeAlias = dict[str, Value]


class Status(str, Enum):
    """What became of one image; part of the contract, so it only grows."""

    OK = "ok"
    NO_FACE = "no_face"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"

    @property
    def is_error(self) -> bool:
        """True where the picture itself could not be looked at."""
        return self not in (Status.OK, Status.NO_FACE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, Python type, unit, meaning, and the decimals that text formats keep."""

    name: str
    type: type
    unit: str
    meaning: str
    decimals: int | None = None


COLUMNS: tuple[Column, ...] = (
    Column("path", str, "", "as given on the command line joined with the path below it, `/`-separated"),
    Column("status", str, "", "`ok`, `no_face`, `unreadable`, `unsupported` or `too_large`"),
    Column("message", str, "", "why, for people; empty when ok"),
    Column("width", int, "pixels", "of the upright original"),
    Column("height", int, "pixels", "of the upright original"),
    Column("faces", int, "", "how many faces the image has"),
    Column("face", int, "", "this face's index from 0, largest first"),
    Column("x", float, "pixels", "left edge of the face's box in the upright original", 1),
    Column("y", float, "pixels", "top edge of the box", 1),
    Column("w", float, "pixels", "width of the box", 1),
    Column("h", float, "pixels", "height of the box", 1),
    Column("face_score", float, "0..1", "the detector's probability that this is a face", 4),
    Column("age", float, "years", "apparent age", 1),
    Column(
        "age_low", float, "years", "lower end of the interval that holds the labelled age in 90 % of cases", 1
    ),
    Column("age_high", float, "years", "upper end of that interval", 1),
    Column("gender", str, "", "`female` or `male`, as labelled in the training data"),
    Column("gender_confidence", float, "0.5..1", "calibrated probability of that answer", 4),
    Column("file_size", int, "bytes", "of the file that the row was computed from"),
    Column("file_mtime_ns", int, "ns", "its modification time"),
    Column("model", str, "", "model and settings that the row was computed with"),
    Column("checksum", str, "", "SHA-256 of the file's content; only with `--checksum`"),
)
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)


def row(**values: Value) -> Row:
    """Make a full row, numbers rounded to what the column keeps; a column not named is None.

    >>> row(path="a.jpg", age=31.26)["age"], row(path="a.jpg")["gender"]
    (31.3, None)
    """
    unknown = values.keys() - set(NAMES)
    if unknown:
        raise KeyError(f"not a column: {sorted(unknown)}")
    return {column.name: _rounded(column, values.get(column.name)) for column in COLUMNS}


def _rounded(column: Column, value: Value) -> Value:
    if value is None or column.decimals is None:
        return value
    return round(float(value), column.decimals)


def markdown_table(columns: Iterable[Column] = COLUMNS) -> str:
    """The column table of the README."""
    lines = ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{c.name}` | {c.type.__name__} | {c.unit} | {c.meaning} |" for c in columns]
    return "\n".join(lines) + "\n"
