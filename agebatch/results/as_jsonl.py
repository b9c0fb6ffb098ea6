"""Reports as JSON lines: one object per row, every column present, null for None."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, BinaryIO

from agebatch.results.layout import Damaged, Key, NotOurs, cells, check_columns, plain
from agebatch.results.names import decode_path
from agebatch.results.schema import COLUMNS, NAMES, Row


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


def _json_objects(file: BinaryIO) -> Iterator[dict[str, Any]]:
    decode = json.JSONDecoder().decode
    for number, line in enumerate(file, start=1):
        try:
            values = decode(line.decode("utf-8"))
            if not isinstance(values, dict):
                raise ValueError("not an object")
        except ValueError as error:
            raise (NotOurs if number == 1 else Damaged)(f"line {number}: {error}") from error
        yield values


def read_columns(file: BinaryIO) -> tuple[str, ...]:
    """The columns that the file has; NAMES for a file of no bytes."""
    return tuple(next(_json_objects(file), NAMES))


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Every row, typed. Raises NotOurs, Damaged."""
    floats = [c.name for c in COLUMNS if c.type is float]
    for number, values in enumerate(_json_objects(file), start=1):
        if number == 1:
            check_columns(tuple(values))
        try:
            values["path"] = decode_path(values["path"])
            row = {name: values.get(name) for name in NAMES}
            for name in floats:
                if type(row[name]) is int:  # other tools write 31.0 as 31
                    row[name] = float(row[name])
        except (KeyError, TypeError) as error:
            raise Damaged(f"line {number}: {error}") from error
        yield row


def read_keys(file: BinaryIO) -> Iterator[Key]:
    """The Key of every row. Raises NotOurs, Damaged."""
    pick = itemgetter(*Key._fields[:-1])
    for number, values in enumerate(_json_objects(file), start=1):
        if number == 1:
            check_columns(tuple(values))
        try:
            values["path"] = decode_path(values["path"])
            yield Key(*pick(values), values.get("checksum"))
        except (KeyError, TypeError) as error:
            raise Damaged(f"line {number}: {error}") from error
