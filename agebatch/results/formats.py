"""The kinds of report file, by the ending of the name."""

from __future__ import annotations

from agebatch.results import as_csv, as_jsonl, as_parquet
from agebatch.results.layout import Format

FORMATS: dict[str, Format] = {
    ".csv": Format(as_csv.CsvWriter, as_csv.read_rows, as_csv.read_keys, as_csv.read_columns),
    ".parquet": Format(
        as_parquet.ParquetWriter, as_parquet.read_rows, as_parquet.read_keys, as_parquet.read_columns
    ),
    ".jsonl": Format(as_jsonl.JsonlWriter, as_jsonl.read_rows, as_jsonl.read_keys, as_jsonl.read_columns),
}
