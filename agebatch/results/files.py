"""Reports on disk: written atomically and streamed, in the format that the name's ending says.

    with open_writer("results.csv") as report:
        report.write(rows)

A report of ours is a file with the columns of the first version (`formats.REQUIRED`); columns added since may
be missing and read as None, columns of somebody else are ignored by `read_rows` and named by `extra_columns`.
An existing file of no bytes is a report without rows.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from agebatch.errors import InputError, OutputError, UsageError
from agebatch.results.as_csv import CsvWriter
from agebatch.results.atomic import AtomicFile, output_errors
from agebatch.results.formats import FORMATS
from agebatch.results.layout import Damaged, Format, FormatWriter, Key, NotOurs, check_columns
from agebatch.results.names import decode_path, encode_path
from agebatch.results.schema import NAMES, Row

__all__ = [
    "STDOUT", "Key", "ReportWriter", "decode_path", "encode_path", "extra_columns", "format_of",
    "open_writer", "read_keys", "read_rows",
]  # fmt: skip

STDOUT = "-"


class ReportWriter:
    """Rows on their way into a report; a context manager that drops the new file on an exception."""

    def __init__(self, name: str, format_writer: FormatWriter, target: AtomicFile | _Stdout) -> None:
        self.name = name
        self.rows_written = 0
        self._format = format_writer
        self._target = target

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows; they become visible together, at `close`.

        Raises:
            OutputError: the disk is full, or the like; nothing of the old report is lost.
        """
        with output_errors(self.name):
            self._format.write(self._counted(rows))

    def close(self) -> None:
        """Complete the file and let it take its name."""
        try:
            with output_errors(self.name):
                self._format.finish()
        except BaseException:
            self.abort()
            raise
        self._target.commit()

    def abort(self) -> None:
        """Drop the new file; the old report stays."""
        self._target.abort()
        with contextlib.suppress(Exception):  # the format's own buffers, with nowhere to go any more
            self._format.finish()

    def __enter__(self) -> ReportWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            yield row
            self.rows_written += 1


class _Stdout:
    """Standard output in place of an atomic file."""

    def __init__(self) -> None:
        if sys.stdout is None:
            raise OutputError("can't write standard output: it is closed", "name a file with -o")
        self.file: BinaryIO = sys.stdout.buffer

    def commit(self) -> None:
        try:
            with output_errors("standard output"):
                self.file.flush()
        except OutputError:
            self.abort()
            raise

    def abort(self) -> None:
        """What is out is out; what is still held back must not fail once more when Python ends."""
        with contextlib.suppress(OSError, ValueError):
            self.file.flush()
            return
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())
            os.close(nowhere)


def open_writer(path: str | Path) -> ReportWriter:
    """Open a report for writing: `.csv`, `.parquet`, `.jsonl`, or `-` for CSV on standard output.

    Raises:
        UsageError: another ending.
        OutputError: the folder is missing or not writable.
    """
    if str(path) == STDOUT:
        target = _Stdout()
        return ReportWriter("standard output", CsvWriter(target.file), target)
    kind = format_of(path)
    file = AtomicFile(path)
    try:
        with output_errors(path):
            return ReportWriter(str(path), kind.writer(file.file), file)
    except BaseException:
        file.abort()
        raise


def format_of(path: str | Path) -> Format:
    """The format that the name's ending says; capitals make no difference.

    Raises:
        UsageError: another ending, saying which there are.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        *first, last = FORMATS
        raise UsageError(
            f"don't know how to write {path}: its name ends in {suffix or 'nothing'}",
            f"the name of a report ends in {', '.join(first)} or {last}; - is CSV on standard output",
        )
    return FORMATS[suffix]


def read_rows(path: str | Path) -> Iterator[Row]:
    """Every row of a report, typed, in the order of the file, streamed.

    Raises:
        InputError: there is no such file.
        OutputError: it isn't a report of agebatch, or it is damaged.
    """
    with _opened(path) as file:
        yield from format_of(path).rows(file)


def read_keys(path: str | Path) -> Iterator[Key]:
    """As `read_rows`, but only what decides whether a row is still valid; several times quicker."""
    with _opened(path) as file:
        yield from format_of(path).keys(file)


def extra_columns(path: str | Path) -> list[str]:
    """Columns in the report that agebatch doesn't know and would drop when it writes the report again.

    Raises:
        OutputError: the file isn't a report of agebatch.
    """
    with _opened(path) as file:
        present = format_of(path).columns(file)
        check_columns(present)
    return [name for name in present if name not in NAMES]


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    format_of(path)
    try:
        with Path(path).open("rb", buffering=1 << 18) as file:
            yield file
    except NotOurs as error:
        raise OutputError(
            f"{path} is not a report of agebatch: {error}", "name another file, or move that one away"
        ) from error
    except Damaged as error:
        raise OutputError(
            f"{path} is damaged: {error}", "bring back a copy, or start over with --fresh"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"there is no report {path}", "check the name") from error
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}") from error
