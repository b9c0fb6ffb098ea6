"""Rows that go through every format, and names as bad as a disk allows."""

import os

import pytest

from agebatch.results.schema import Row, Status, row

MODEL = "age_gender 1.0/7d1f"

# As os.fsdecode gives them on a UTF-8 system; the last part of the longest name has 255 bytes.
NAMES_ON_DISK = [
    "./=cmd|' /C calc'!A0.jpg",
    "./@SUM(1+1).jpg",
    "plain.jpg",
    "photos/comma, semicolon; tab\t.jpg",
    "photos/\"quoted\" 'twice'.jpg",
    "photos/two\nlines.jpg",
    "photos/carriage\rreturn.jpg",
    "photos/both\r\n.jpg",
    "photos/separators\u2028\u0085\x0b\x0c\x1c.jpg",
    "photos/\u202egpj.exe.jpg",
    "photos/\ufeffmark.jpg",
    "photos/été Ελλάδα 写真 😀.jpg",
    "photos/e\u0301.jpg",
    "photos/latin\udce9.jpg",
    "photos/half of 😀 \udcf0\udc9f.jpg",
    r"photos/back\slash.jpg",
    r"photos/looks\xe9escaped.jpg",
    r"photos/looks\x5cxe9twice.jpg",
    "photos/\\\udcff.jpg",
    "photos/\\x\udcff.jpg",
    r"photos/upper\xFF.jpg",
    "photos/ends with \\",
    " starts with a blank.jpg",
    "photos/" + "ü" * 125 + ".jpgx",
    "NA",
    "123",
]


def bad_name_rows() -> list[Row]:
    paths = sorted(NAMES_ON_DISK, key=os.fsencode)
    return [face(path, message=path) for path in paths]


def face(path: str, index: int = 0, faces: int = 1, **values) -> Row:
    made = {
        "path": path, "status": Status.OK.value, "width": 4000, "height": 3000, "faces": faces, "face": index,
        "x": 12.34, "y": -0.5, "w": 100.0, "h": 120.25, "face_score": 0.99987, "age": 31.26, "age_low": 20,
        "age_high": 44.4, "gender": "female", "gender_confidence": 0.97531, "file_size": 3_000_000,
        "file_mtime_ns": 1_700_000_000_123_456_789, "model": MODEL,
    }  # fmt: skip
    return row(**{**made, **values})


def unread(path: str, **values) -> Row:
    made = {"status": Status.UNREADABLE.value, "message": "truncated", "file_size": 7, "file_mtime_ns": -5}
    return row(path=path, **{"model": MODEL, **made, **values})


@pytest.fixture
def rows() -> list[Row]:
    two = [face("photos/two.jpg", 0, 2), face("photos/two.jpg", 1, 2, age=0.0, gender="male")]
    nobody = row(path="photos/no.jpg", status="no_face", width=1, height=1, faces=0, file_size=0, model=MODEL)
    return [*bad_name_rows(), nobody, *two, unread("photos/unread.jpg")]
