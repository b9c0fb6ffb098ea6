"""Reports as Parquet: typed columns, row groups written and read one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from agebatch.results.layout import Damaged, Key, NotOurs, cells, check_columns
from agebatch.results.names import decode_path, one_line
from agebatch.results.schema import COLUMNS, NAMES, Row, Value

_BATCH_ROWS = 8192
_ROW_GROUP_ROWS = 65_536
_INT64 = 2**63 - 1


class ParquetWriter:
    """Rows as Parquet; at most one row group is held in memory."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa  # noqa: PLC0415 - not on the path of --help
        from pyarrow import parquet  # noqa: PLC0415

        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        self._pa = pa
        self._schema = pa.schema([(c.name, kinds[c.type]) for c in COLUMNS])
        self._parquet = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._lines: list[list[Value]] = []
        self._batches: list[Any] = []
        self._rows_held = 0

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for row in rows:
            self._lines.append([None if value == "" else value for value in cells(row)])
            if len(self._lines) == _BATCH_ROWS:
                self._pack()

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self._pack()
        self._write_group()
        self._parquet.close()

    def _pack(self) -> None:
        if not self._lines:
            return
        arrays = [self._column(i, field.type) for i, field in enumerate(self._schema)]
        self._batches.append(self._pa.record_batch(arrays, schema=self._schema))
        self._rows_held += len(self._lines)
        self._lines = []
        if self._rows_held >= _ROW_GROUP_ROWS:
            self._write_group()

    def _column(self, index: int, kind: Any) -> Any:
        values = [line[index] for line in self._lines]
        try:
            return self._pa.array(values, kind)
        except (OverflowError, self._pa.ArrowInvalid):  # a file system may hold a date after the year 2262
            values = [v if v is None else max(-_INT64, min(_INT64, v)) for v in values]
            return self._pa.array(values, kind)

    def _write_group(self) -> None:
        if self._batches:
            self._parquet.write_table(self._pa.Table.from_batches(self._batches), row_group_size=2**31)
        self._batches, self._rows_held = [], 0


def _parquet_file(file: BinaryIO) -> Any:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    try:
        return parquet.ParquetFile(file, memory_map=False)
    except (pa.ArrowException, ValueError) as error:
        raise NotOurs(one_line(str(error))) from error


def _is_empty(file: BinaryIO) -> bool:
    return os.fstat(file.fileno()).st_size == 0


def read_columns(file: BinaryIO) -> tuple[str, ...]:
    """The columns that the file has; NAMES for a file of no bytes."""
    return NAMES if _is_empty(file) else tuple(_parquet_file(file).schema_arrow.names)


def _parquet_tuples(file: BinaryIO, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415

    if _is_empty(file):
        return
    source = _parquet_file(file)
    present = tuple(source.schema_arrow.names)
    check_columns(present)
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    types = {c.name: kinds[c.type] for c in COLUMNS}
    wanted = [name for name in names if name in present]
    try:
        for batch in source.iter_batches(_BATCH_ROWS, columns=wanted):
            columns = []
            for name in names:
                if name not in wanted:
                    columns.append([None] * batch.num_rows)
                    continue
                column = batch.column(batch.schema.get_field_index(name)).cast(types[name]).to_pylist()
                columns.append([decode_path(path) for path in column] if name == "path" else column)
            yield from zip(*columns, strict=True)
    except (pa.ArrowException, OSError, TypeError) as error:
        raise Damaged(one_line(str(error))) from error


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Every row, typed. Raises NotOurs, Damaged."""
    return (dict(zip(NAMES, values, strict=True)) for values in _parquet_tuples(file, NAMES))


def read_keys(file: BinaryIO) -> Iterator[Key]:
    """The Key of every row. Raises NotOurs, Damaged."""
    return map(Key._make, _parquet_tuples(file, Key._fields))
