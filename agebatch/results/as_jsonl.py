"""Reports as JSON lines: one object per row, every column present, null for None."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO

from agebatch.results.layout import Damaged, Key, NotOurs, cells, check_columns, plain
from agebatch.results.names import decode_path
from agebatch.results.schema import COLUMNS, NAMES, Row, Value


class JsonlWriter:
    """Rows as JSON lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=plain).encode

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for row in rows:
            values = [None if value == "" else value for value in cells(row)]
            self._file.write(self._encode(dict(zip(NAMES, values, strict=True))).encode("utf-8") + b"\n")

    def finish(self) -> None:
        """Nothing is held back."""


# A line as we write it, with what a Key needs; escapes in the path and other people's lines are left to json.
# Inside a JSON string a quote has a backslash before it, so `"faces": ` can't be part of a text.
_OUR_LINE = re.compile(
    r'\{"path": "([^"\\]*)", "status": "(\w+)", .*"faces": (?:(\d+)|null), .*"file_size": (?:(\d+)|null), '
    r'"file_mtime_ns": (?:(-?\d+)|null), "model": "([^"\\]+)", "checksum": (?:null|"(\w+)")\}\n'
)


def _parse(number: int, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line.decode("utf-8"))
        if not isinstance(values, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise (NotOurs if number == 1 else Damaged)(f"line {number}: {error}") from error
    if number == 1:
        check_columns(tuple(values))
    try:
        values["path"] = decode_path(values["path"])
    except (KeyError, TypeError) as error:
        raise Damaged(f"line {number} has no path") from error
    return values


def read_columns(file: BinaryIO) -> tuple[str, ...]:
    """The columns that the file has; NAMES for a file of no bytes."""
    first = file.readline()
    return tuple(_parse(1, first)) if first else NAMES


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Every row, typed. Raises NotOurs, Damaged."""
    kinds = [(c.name, c.type) for c in COLUMNS]
    for number, line in enumerate(file, start=1):
        row = _parse(number, line)
        for name, kind in kinds:
            value = row.get(name)
            if type(value) is not kind and value is not None:
                row[name] = _converted(value, kind, number)
        yield {name: row.get(name) for name in NAMES}


def _converted(value: Any, kind: type, number: int) -> Value:
    """Other tools write 31.0 as 31, and 640 as 640.0 where a column has gaps."""
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is float and value.is_integer():
        return int(value)
    raise Damaged(f"line {number}: {value!r} is no {kind.__name__}")


def read_keys(file: BinaryIO) -> Iterator[Key]:
    """The Key of every row. Raises NotOurs, Damaged."""
    match = _OUR_LINE.fullmatch
    make = partial(tuple.__new__, Key)
    for number, line in enumerate(file, start=1):
        try:
            ours = match(line.decode("utf-8"))
        except UnicodeDecodeError:
            ours = None  # _parse says what is wrong
        if ours:
            path, status, faces, size, mtime, model, checksum = ours.groups()
            whole = size and int(size), mtime and int(mtime)  # None stays None
            yield make((path, *whole, model, status, faces and int(faces), checksum))
            continue
        values = _parse(number, line)
        yield Key(*(values.get(name) for name in Key._fields))
