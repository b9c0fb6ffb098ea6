"""A labelled folder → samples: UTKFace's file names, or a `labels.csv` beside the pictures.

    utkface   AGE_GENDER_RACE_DATE.jpg[.chip.jpg], in the folder or any folder below it
    table     labels.csv with `file`, and `age`, `gender` or both; `race` or `ethnicity` if you like

A label that makes no sense costs its own file, or only the part that makes no sense, and is listed with
the reason. Numbers mean what UTKFace's documentation says: gender 0 male, 1 female; race 0 White, 1 Black,
2 Asian, 3 Indian, 4 Other (https://susanqq.github.io/UTKFace/).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agebatch.datasets.framing import FRAMINGS
from agebatch.errors import InputError, UsageError
from agebatch.images.formats import SUFFIXES

OLDEST = 116  # years; the oldest label in UTKFace, and where `70+` ends
GENDERS = ("male", "female")  # by UTKFace's number
ETHNICITIES = ("White", "Black", "Asian", "Indian", "Other")  # by UTKFace's number
TABLE = "labels.csv"

GENDER_WORDS = {"0": "male", "m": "male", "male": "male", "man": "male", "boy": "male"} | {
    "1": "female",
    "f": "female",
    "female": "female",
    "woman": "female",
    "girl": "female",
}
_NO_LABEL = {"", "nan", "none", "null", "na", "n/a", "unknown"}
_RANGE = re.compile(r"[(\[]?\s*(\d+(?:\.\d+)?)\s*(?:-|–|—|,|to)\s*(\d+(?:\.\d+)?)\s*[)\]]?")
_OPEN_END = re.compile(r"(?:(?:more than|over|>=?)\s*(\d+)|(\d+)\s*(?:\+|and over))")
_NAME_END = re.compile(r"\.(?:jpg|jpeg|png|webp|bmp|tiff?|chip|heic|heif|avif)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture; what is None is not known."""

    file: str  # below the data set's folder, `/`-separated
    age_low: float | None  # years, inclusive; equal to age_high where the age is exact
    age_high: float | None
    gender: str | None  # "female" or "male"
    ethnicity: str | None = None

    @property
    def age(self) -> float | None:
        """The age in years; the middle of the range where only a range is known."""
        if self.age_low is None or self.age_high is None:
            return None
        return (self.age_low + self.age_high) / 2


@dataclass(frozen=True, slots=True)
class Reject:
    """A label that could not be taken as it stands."""

    file: str
    reason: str
    recovered: str = ""  # what is used nevertheless, for people; empty: the file is left out


@dataclass(frozen=True)
class Labelled:
    """A labelled folder, read."""

    folder: Path
    layout: str  # "utkface" or "table"
    framing: str  # one of FRAMINGS
    samples: list[Sample]  # sorted by file
    rejects: list[Reject]  # sorted by file; those with something recovered are among the samples too
    unlabelled: int = 0  # pictures in the folder that its labels.csv does not name


def parse_dataset(argument: str) -> tuple[Path, str]:
    """Split `DIR` or `DIR:FRAMING`, as given on the command line, into the folder and its framing.

    >>> parse_dataset("faces:fairface")[1], parse_dataset("faces")[1]
    ('fairface', 'utkface')
    """
    folder, colon, framing = argument.rpartition(":")
    if colon and folder and not Path(argument).exists():
        if framing in FRAMINGS:
            return Path(folder), framing
        if Path(folder).is_dir():
            raise UsageError(f"{argument}: no framing is called {framing!r}", f"one of {', '.join(FRAMINGS)}")
    return Path(argument), FRAMINGS[0]


def read_dataset(folder: str | Path, framing: str = "utkface") -> Labelled:
    """Read the labels of a folder, without opening a picture.

    Args:
        folder: holds `labels.csv`, or pictures named as in UTKFace at any depth.
        framing: how its faces are cut, one of FRAMINGS.

    Raises:
        InputError: the folder is missing or empty, or nothing in it is labelled.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"{folder}: no such folder", "check the spelling, or mount the disk it is on")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "name the folder that holds the labelled pictures")
    pictures = list(_pictures(folder))
    if (folder / TABLE).is_file():
        layout = "table"
        samples, rejects = _from_table(folder / TABLE, pictures)
        unlabelled = len(set(pictures) - {s.file for s in samples} - {r.file for r in rejects})
    else:
        layout, unlabelled = "utkface", 0
        samples, rejects = _from_names(pictures)
    if not samples:
        found = "no picture in it" if not pictures else f"none of its {len(pictures)} pictures is labelled"
        first = f"; {rejects[0].file}: {rejects[0].reason}" if rejects else ""
        raise InputError(
            f"{folder}: {found}{first}",
            f"names like 31_1_0_20170112213500903.jpg (age, gender, race, date), or a {TABLE} "
            "with the columns file,age,gender",
        )
    key = _file_order
    return Labelled(folder, layout, framing, sorted(samples, key=key), sorted(rejects, key=key), unlabelled)


def _file_order(item: Sample | Reject) -> bytes:
    return os.fsencode(item.file)


def _pictures(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(root, folder).replace(os.sep, "/")
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"


def _from_names(pictures: list[str]) -> tuple[list[Sample], list[Reject]]:
    samples, rejects = [], []
    for file in pictures:
        sample, reason = parse_name(file)
        if sample:
            samples.append(sample)
        if reason:
            rejects.append(Reject(file, reason, _in_words(sample) if sample else ""))
    return samples, rejects


def parse_name(file: str) -> tuple[Sample | None, str]:
    """Read a file name as UTKFace writes it; returns what could be recovered, and what is wrong ("": nothing).

    In three malformed names of the original data set one number is missing between age and date; their
    pictures show that it is the race.

    >>> parse_name("26_1_2_20170116174525125.jpg.chip.jpg")[0]
    Sample(file='26_1_2_20170116174525125.jpg.chip.jpg', age_low=26.0, age_high=26.0, gender='female', ethnicity='Asian')
    >>> parse_name("39_1_20170116174525125.jpg")[1]
    'the race is missing'
    """  # noqa: E501
    stem = file.rpartition("/")[2]
    while _NAME_END.search(stem):
        stem = _NAME_END.sub("", stem)
    fields = stem.split("_")
    if len(fields) < 3 or not fields[0].isdecimal():
        return None, "the name is not AGE_GENDER_RACE_DATE"
    age = int(fields[0])
    if age > OLDEST:
        return None, f"age {age} is outside 0..{OLDEST}"
    wrong = []
    if len(fields) == 3 and len(fields[2]) > 1:
        fields.insert(2, "")
    gender = GENDERS[int(fields[1])] if fields[1] in ("0", "1") else None
    race = ETHNICITIES[int(fields[2])] if fields[2] in ("0", "1", "2", "3", "4") else None
    if not gender:
        wrong.append(_wrong("gender", fields[1], "0 (male) or 1 (female)"))
    if not race:
        wrong.append(_wrong("race", fields[2], "0 to 4"))
    if not (len(fields) == 4 and fields[3].isdecimal()):
        wrong.append("the name does not end in a date")
    return Sample(file, float(age), float(age), gender, race), "; ".join(wrong)


def _wrong(what: str, value: str, allowed: str) -> str:
    return f"{what} {value!r} is not {allowed}" if value else f"the {what} is missing"


def _in_words(sample: Sample) -> str:
    known = []
    if sample.age_low is not None and sample.age_high is not None:
        low, high = sample.age_low, sample.age_high
        known.append(f"age {low:g}" if low == high else f"age {low:g} to {high:g}")
    known += [word for word in (sample.gender, sample.ethnicity) if word]
    return ", ".join(known)


def parse_age(text: str) -> tuple[float, float] | None:
    """Read an age: a number, `20-29`, `70+`; None where it is empty.

    Returns:
        The lowest and the highest age in years it can mean, inclusive.

    Raises:
        ValueError: saying why it is no age.

    >>> parse_age("31"), parse_age("20-29"), parse_age("70+"), parse_age("")
    ((31.0, 31.0), (20.0, 29.0), (70.0, 116.0), None)
    """
    text = text.strip().lower()
    if text in _NO_LABEL:
        return None
    if match := _RANGE.fullmatch(text):
        low, high = float(match[1]), float(match[2])
    elif match := _OPEN_END.fullmatch(text):
        low, high = float(match[1] or match[2]), float(OLDEST)
    else:
        try:
            low = high = float(text)
        except ValueError:
            raise ValueError(f"age {text!r} is not a number, a range (20-29) or open (70+)") from None
    if not 0 <= low <= high <= OLDEST:
        raise ValueError(
            f"age {text} is outside 0..{OLDEST}" if low <= high else f"age {text} runs backwards"
        )
    return low, high


def _from_table(table: Path, pictures: list[str]) -> tuple[list[Sample], list[Reject]]:
    samples: list[Sample] = []
    rejects: list[Reject] = []
    there, seen = set(pictures), set()
    for row in _rows(table):
        file = (row.get("file") or "").strip().replace("\\", "/").removeprefix("./")
        if file in seen:
            rejects.append(Reject(file, f"named twice in {TABLE}", "the first row"))
            continue
        seen.add(file)
        if reason := _no_file(file, table.parent, there):
            rejects.append(Reject(file, reason))
            continue
        sample, reason = _sample(file, row)
        if sample:
            samples.append(sample)
        if reason:
            rejects.append(Reject(file, reason, _in_words(sample) if sample else ""))
    return samples, rejects


def _no_file(file: str, folder: Path, there: set[str]) -> str:
    if not file:
        return f"a row of {TABLE} names no file"
    if file.startswith("/") or ".." in file.split("/"):
        return "the file is outside the data set's folder"
    return "" if file in there or (folder / file).is_file() else "there is no such file"


def _sample(file: str, row: dict[str, str]) -> tuple[Sample | None, str]:
    wrong = []
    try:
        ages = parse_age(row.get("age") or "")
    except ValueError as error:
        ages = None
        wrong.append(str(error))
    word = (row.get("gender") or "").strip().lower()
    gender = GENDER_WORDS.get(word)
    if not gender and word not in _NO_LABEL:
        wrong.append(f"gender {word!r} is neither female nor male")
    race = (row.get("race") or row.get("ethnicity") or "").strip()
    if race in ("0", "1", "2", "3", "4"):
        race = ETHNICITIES[int(race)]
    if ages is None and gender is None:
        return None, "; ".join(wrong) or "neither an age nor a gender"
    low, high = ages or (None, None)
    return Sample(file, low, high, gender, race or None), "; ".join(wrong)


def _rows(table: Path) -> Iterator[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            delimiter = max(",;\t", key=header.count)
            names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
            if "file" not in names or not {"age", "gender"} & set(names):
                raise InputError(
                    f"{table}: its first line is {header.strip()[:80]!r}",
                    "it must name the columns: file, and age, gender or both",
                )
            yield from csv.DictReader(lines, fieldnames=names, delimiter=delimiter)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} can't be read as a table: {error}", "save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{table}: {error.strerror or error}", "check its permissions") from None
