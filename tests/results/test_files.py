"""The contract of reports, written once and run over every format."""

import csv
import io
import json
import math
import os
import sys
from pathlib import Path

import pytest

from agebatch.errors import InputError, OutputError, UsageError
from agebatch.results.files import extra_columns, format_of, open_writer, read_keys, read_rows
from agebatch.results.formats import FORMATS
from agebatch.results.layout import REQUIRED, Key
from agebatch.results.names import one_line
from agebatch.results.schema import COLUMNS, NAMES, Status, row

from .conftest import NAMES_ON_DISK, face


@pytest.fixture(params=FORMATS)
def report(request, tmp_path) -> Path:
    return tmp_path / f"report{request.param}"


def write(path, rows) -> bytes:
    with open_writer(path) as writer:
        writer.write(rows)
    return path.read_bytes()


def test_rows_come_back_typed_and_in_order(report, rows):
    write(report, rows)
    back = list(read_rows(report))
    assert [r["path"] for r in back] == [r["path"] for r in rows]
    for before, after in zip(rows, back, strict=True):
        assert list(after) == list(NAMES)
        message = before["message"]
        assert after == {**before, "message": one_line(message) if message else None}
        assert all(after[c.name] is None or type(after[c.name]) is c.type for c in COLUMNS)


def test_written_again_it_is_the_same_byte_for_byte(report, rows, tmp_path):
    first = write(report, rows)
    second = write(tmp_path / f"again{report.suffix}", read_rows(report))
    assert first == second


def test_every_name_that_a_disk_holds_comes_back(report, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in NAMES_ON_DISK:
        (folder / Path(name).name).touch()
    on_disk = sorted(os.fsencode(p) for p in folder.iterdir())
    write(report, [row(path=os.fsdecode(path), status="ok", faces=1) for path in on_disk])
    assert [os.fsencode(r["path"]) for r in read_rows(report)] == on_disk
    assert [os.fsencode(key.path) for key in read_keys(report)] == on_disk


def test_keys_say_what_rows_say(report, rows):
    write(report, rows)
    assert list(read_keys(report)) == [Key(*(r[name] for name in Key._fields)) for r in rows]


def test_many_rows_in_many_writes(report, monkeypatch):
    monkeypatch.setattr("agebatch.results.as_parquet._ROW_GROUP_ROWS", 2)
    monkeypatch.setattr("agebatch.results.as_parquet._BATCH_ROWS", 2)
    paths = [f"{i:03d}.jpg" for i in range(9)]
    with open_writer(report) as writer:
        for path in paths:
            writer.write([face(path)])
        assert writer.rows_written == 9
    assert [r["path"] for r in read_rows(report)] == paths


def test_without_rows_it_is_still_a_report(report):
    write(report, [])
    assert list(read_rows(report)) == list(read_keys(report)) == extra_columns(report) == []


def test_a_file_of_no_bytes_is_a_report_without_rows(report):
    report.touch()
    assert list(read_rows(report)) == list(read_keys(report)) == extra_columns(report) == []


def test_status_as_enum_and_numpy_numbers_are_welcome(report):
    np = pytest.importorskip("numpy")
    made = {**face("a.jpg"), "status": Status.OK, "faces": np.int64(3), "age": np.float64(30.5)}
    write(report, [made])
    back = next(read_rows(report))
    assert (back["status"], back["faces"], back["age"]) == ("ok", 3, 30.5)


def test_an_exception_leaves_the_old_report_and_nothing_else(report, rows):
    old = write(report, rows)

    def failing():
        yield from rows[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_writer(report) as writer:
        writer.write(failing())
    assert report.read_bytes() == old
    assert [p.name for p in report.parent.iterdir()] == [report.name]


def test_times_that_no_integer_of_64_bits_holds(report):
    write(report, [face("a.jpg", file_mtime_ns=2**70)])
    assert next(read_rows(report))["file_mtime_ns"] in (2**70, 2**63 - 1)


def test_somebody_elses_file_is_not_ours(report):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415

    if report.suffix == ".parquet":
        parquet.write_table(pa.table({"path": ["a"], "price": [1]}), report)
    else:
        report.write_text(
            {".csv": "path,price\na,1\n", ".jsonl": '{"path": "a", "price": 1}\n'}[report.suffix]
        )
    for read in (read_rows, read_keys, extra_columns):
        with pytest.raises(OutputError, match=r"not a report of agebatch.*status"):
            list(read(report))


@pytest.mark.parametrize(
    "content", [b"\xff\xd8\xff\xe0 a picture", b"\n", b"[1, 2]\n", b'"unclosed\n', b"PAR1"]
)
def test_garbage_is_not_ours(report, content):
    report.write_bytes(content)
    for read in (read_rows, read_keys, extra_columns):
        with pytest.raises(OutputError, match="not a report of agebatch"):
            list(read(report))


def test_a_cut_report_is_damaged_or_not_ours(report, rows):
    whole = write(report, rows * 40)
    middle = len(whole) // 2
    report.write_bytes(whole[: whole.index(b"female", middle) if report.suffix != ".parquet" else middle])
    for read in (read_rows, read_keys):
        with pytest.raises(OutputError) as caught:
            list(read(report))
        assert caught.value.hint


def test_extra_columns_are_passed_over_and_named(report, rows):
    pd = pytest.importorskip("pandas")
    write(report, rows)
    wide = pd.DataFrame(
        [{**r, "path": f"{i}.jpg", "message": "x", "note": "mine"} for i, r in enumerate(rows)]
    )
    if report.suffix == ".csv":
        wide.to_csv(report, index=False)
    elif report.suffix == ".parquet":
        wide.to_parquet(report, index=False)
    else:
        wide.to_json(report, orient="records", lines=True)
    assert extra_columns(report) == ["note"]
    back = list(read_rows(report))
    assert list(back[0]) == list(NAMES)
    # pandas makes floats of whole numbers where a column has gaps; they come back as ours.
    assert [(r["width"], r["face"], r["age"]) for r in back] == [
        (r["width"], r["face"], r["age"]) for r in rows
    ]
    assert all(r["age"] is None or type(r["age"]) is float for r in back)


def test_a_report_of_the_first_version_lacks_later_columns(report, rows, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415

    old = [{name: r[name] for name in REQUIRED} for r in rows if r["path"].isprintable()]
    if report.suffix == ".csv":
        with report.open("w", newline="") as file:
            writer = csv.DictWriter(file, REQUIRED)
            writer.writeheader()
            writer.writerows(old)
    elif report.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(old), report)
    else:
        report.write_text("".join(json.dumps(r) + "\n" for r in old))
    back = list(read_rows(report))
    assert len(back) == len(old)
    assert {r["checksum"] for r in back} == {None}
    assert {key.checksum for key in read_keys(report)} == {None}


def test_json_lines_of_another_kind_are_read_too(tmp_path):
    report = tmp_path / "r.jsonl"
    for message in ('"faces": 7, "file_size": 1, ', None):
        made = [
            face("a.jpg", message=message, age=31.0),
            face("b\\x.jpg", message=message),
            face("c.jpg", faces=2),
        ]
        write(report, made)
        keys = [Key(*(r[name] for name in Key._fields)) for r in made]
        assert list(read_keys(report)) == keys
        lines = report.read_text().replace("31.0", "31").splitlines()
        report.write_text("\n".join(json.dumps(json.loads(line), sort_keys=True) for line in lines))
        assert list(read_keys(report)) == keys
        assert list(read_rows(report)) == made
    report.write_text(report.read_text().replace("31", '"old"', 1))
    with pytest.raises(OutputError, match="'old' is no float"):
        list(read_rows(report))


def test_an_unknown_ending_says_which_there_are(tmp_path):
    for name in ("report.xlsx", "report", ".csv", "report.csv.gz"):
        with pytest.raises(UsageError) as caught:
            open_writer(tmp_path / name)
        assert ".parquet" in caught.value.hint
    assert format_of("A.CSV") is FORMATS[".csv"]


def test_no_such_report(report):
    with pytest.raises(InputError, match="there is no report"):
        next(read_rows(report))


def test_outputs_that_cannot_be(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    for name, hint in [
        ("folder.csv", "name a file"),
        ("missing/r.csv", "mkdir"),
        ("file/r.csv", "not a folder"),
        ("pipe.csv", "-o -"),
        ("x" * 300 + ".csv", "shorter"),
    ]:
        with pytest.raises(OutputError) as caught:
            open_writer(tmp_path / name)
        assert hint in caught.value.hint, name


def test_csv_is_rfc_4180_with_plain_line_ends(tmp_path, rows):
    text = write(tmp_path / "r.csv", rows).decode("utf-8")
    assert text.startswith("path,status,")
    assert text.count("\r") == sum(r["path"].count("\r") for r in rows)
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(line) for line in lines} == {len(NAMES)}
    assert not any(cell.startswith(("=", "+", "@", "\t")) for line in lines for cell in line)


def test_pandas_reads_the_csv_without_surprises(tmp_path, rows):
    pd = pytest.importorskip("pandas")
    write(tmp_path / "r.csv", rows)
    table = pd.read_csv(tmp_path / "r.csv", keep_default_na=False, na_values=[""])
    assert list(table.columns) == list(NAMES)
    assert len(table) == len(rows)
    assert str(table["file_size"].dtype) == "int64"
    assert {str(table[name].dtype) for name in ("age", "x", "gender_confidence", "face")} == {"float64"}
    assert list(table["path"])[:3] == [r["path"] for r in rows[:3]]
    assert math.isnan(table["age"].iloc[-1])
    whole = [face("a.jpg"), face("b.jpg")]
    write(tmp_path / "whole.csv", whole)
    types = pd.read_csv(tmp_path / "whole.csv").dtypes
    assert {str(types[c.name]) for c in COLUMNS if c.type is int} == {"int64"}


def test_parquet_is_typed(tmp_path, rows):
    parquet = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "r.parquet", rows)
    types = {f.name: str(f.type) for f in parquet.read_schema(tmp_path / "r.parquet")}
    assert types == {c.name: {str: "string", int: "int64", float: "double"}[c.type] for c in COLUMNS}


def test_standard_output_gets_the_csv_and_stays_open(tmp_path, rows, monkeypatch):
    taken = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(taken))
    with open_writer("-") as writer:
        writer.write(rows)
    assert not taken.closed
    assert taken.getvalue() == write(tmp_path / "r.csv", rows)
