"""Reports as CSV: UTF-8, `\n` line ends, RFC 4180 quoting, empty for None."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, BinaryIO

from agebatch.results.layout import Damaged, Key, NotOurs, cells, check_columns
from agebatch.results.names import decode_path
from agebatch.results.schema import COLUMNS, NAMES, Row


class CsvWriter:
    """Rows as CSV that spreadsheets and pandas read."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
        self._plain = csv.writer(self._text, lineterminator="\n")
        # Before Python 3.13 a lone carriage return is not quoted with this line end, and cuts the row in two.
        self._quoted = csv.writer(self._text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._plain.writerow(NAMES)

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for row in rows:
            writer = self._quoted if "\r" in row["path"] else self._plain
            writer.writerow(cells(row))

    def finish(self) -> None:
        """Hand everything to the file below, which stays open."""
        self._text.detach()


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # pandas writes 640.0 where a column has gaps
        if not number.is_integer():
            raise
        return int(number)


_PARSERS: dict[type, Callable[[str], Any]] = {str: str, int: _whole, float: float}


def _csv_lines(file: BinaryIO) -> tuple[tuple[str, ...], Iterator[list[str]]]:
    if file.read(3) != codecs.BOM_UTF8:  # a spreadsheet may have put it there
        file.seek(0)
    lines = csv.reader(map(bytes.decode, file), strict=True)
    try:
        header = next(lines, None)
    except (csv.Error, UnicodeDecodeError) as error:
        raise NotOurs(str(error)) from error
    return NAMES if header is None else tuple(header), lines


def read_columns(file: BinaryIO) -> tuple[str, ...]:
    """The columns that the file has; NAMES for a file of no bytes."""
    return _csv_lines(file)[0]


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Every row, typed. Raises NotOurs, Damaged."""
    header, lines = _csv_lines(file)
    check_columns(header)
    plan = [(c.name, header.index(c.name), _PARSERS[c.type]) for c in COLUMNS if c.name in header]
    absent = dict.fromkeys(name for name in NAMES if name not in header)
    width = len(header)
    try:
        for line in lines:
            if len(line) != width:
                raise Damaged(f"line {lines.line_num} has {len(line)} columns instead of {width}")
            row = {name: (parse(line[i]) if line[i] else None) for name, i, parse in plan}
            row["path"] = decode_path(row["path"])
            yield row if not absent else {**row, **absent}
    except (csv.Error, ValueError, TypeError) as error:
        raise Damaged(f"line {lines.line_num}: {error}") from error


def read_keys(file: BinaryIO) -> Iterator[Key]:
    """The Key of every row. Raises NotOurs, Damaged."""
    header, lines = _csv_lines(file)
    check_columns(header)
    # An old report has no checksum: its place takes the empty cell that is put at the end of each line.
    pick = itemgetter(*(header.index(name) if name in header else -1 for name in Key._fields))
    pad = [""] if "checksum" not in header else None
    width = len(header)
    make = partial(tuple.__new__, Key)  # half the time of Key(...), which counts with 100,000 rows
    try:
        for line in lines:
            if len(line) != width:
                raise Damaged(f"line {lines.line_num} has {len(line)} columns instead of {width}")
            path, size, mtime, model, status, faces, checksum = pick(line + pad if pad else line)
            yield make(
                (
                    decode_path(path) if "\\" in path else path,
                    _whole(size) if size else None,
                    _whole(mtime) if mtime else None,
                    model,
                    status,
                    _whole(faces) if faces else None,
                    checksum or None,
                )
            )
    except (csv.Error, ValueError) as error:
        raise Damaged(f"line {lines.line_num}: {error}") from error
