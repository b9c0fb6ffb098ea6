"""What the report page says in numbers: the rows of a report, counted, as plain values for the template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agebatch.pages.uncertainty import band_probabilities, expected_counts
from agebatch.results.names import encode_path
from agebatch.results.schema import Row, Status

EDGES = (*range(0, 91, 10), 200)  # decades; the last band is open
BANDS = (*(f"{low}–{low + 9}" for low in EDGES[:-2]), "90+")
FACES_SHOWN = 10  # faces per photo: the last column is this and more
GROUPS_SHOWN = 12  # folders drawn side by side
FILES_LISTED = 200  # unread files named for each reason
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True)
class Pyramid:
    """Faces by age band (rows) and gender: hard labels, and what the faces' own probabilities expect."""

    bands: tuple[str, ...]
    female: list[int]
    male: list[int]
    female_expected: list[float]
    female_spread: list[float]
    male_expected: list[float]
    male_spread: list[float]

    def rows(self) -> list[tuple[str, ...]]:
        """The pyramid as a table, oldest band first, a total at the end."""
        parts = (
            self.bands, self.female, self.female_expected, self.female_spread,
            self.male, self.male_expected, self.male_spread,
        )  # fmt: skip
        lines = [
            (band, f"{f:,}", f"{fe:,.1f} ± {fs:,.1f}", f"{m:,}", f"{me:,.1f} ± {ms:,.1f}", f"{f + m:,}")
            for band, f, fe, fs, m, me, ms in zip(*parts, strict=True)
        ]
        female, male = sum(self.female), sum(self.male)
        whole = [f"{sum(self.female_expected):,.1f}", f"{sum(self.male_expected):,.1f}"]
        return [*lines[::-1], ("all", f"{female:,}", whole[0], f"{male:,}", whole[1], f"{female + male:,}")]


@dataclass(frozen=True)
class Group:
    """One folder's (or month's) part; ages in years, `ages` are the quartiles."""

    name: str
    photos: int
    unread: int
    faces: int
    ages: tuple[float, float, float] | None
    female: float | None


@dataclass(frozen=True)
class Reason:
    """Photos that could not be read for one reason; `files` names the first of them."""

    status: str
    message: str
    count: int
    files: list[str]


@dataclass(frozen=True)
class Numbers:
    """Everything the page counts. Shares are 0..1, ages years; None where there is nothing to count."""

    photos: int
    with_faces: int
    without_faces: int
    unread: int
    faces: int
    median_age: float | None
    quartiles: tuple[float, float] | None
    median_width: float | None
    female: int
    male: int
    female_expected: float
    female_spread: float
    sure_of_gender: float | None
    pyramid: Pyramid
    per_photo: list[int]
    folders: list[Group]
    folders_left_out: int
    months: list[Group]
    reasons: list[Reason]
    partly: list[Reason]
    models: list[str]


def frame_of(rows: Iterable[Row]) -> Any:
    """The rows as a pandas DataFrame, one row each, with `is_face` and `is_photo` (a photo's first row).

    Paths are encoded as in a report's text: Arrow, behind pandas, holds no undecodable bytes.
    """
    import pandas as pd  # noqa: PLC0415 - heavy, and on the path of --help

    names = (
        "path", "status", "message", "width", "height", "face", "x", "y", "w", "h", "face_score", "age",
        "age_low", "age_high", "gender", "gender_confidence", "file_size", "file_mtime_ns", "model",
    )  # fmt: skip
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row in rows:
        for name, values in columns.items():
            values.append(row.get(name))
    columns["path"] = [encode_path(path) for path in columns["path"]]
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    for name in names:
        if name not in ("path", "status", "message", "gender", "model", "file_size", "file_mtime_ns"):
            frame[name] = frame[name].astype(float)
    frame["is_face"] = (frame["status"] == Status.OK.value) & frame["face"].notna()
    frame["is_photo"] = ~frame["path"].duplicated()
    return frame


def count(frame: Any) -> Numbers:
    """Count everything that the page shows from `frame_of`'s frame."""
    photos = frame[frame["is_photo"]]
    faces = frame[frame["is_face"]]
    aged = faces[faces["age"].notna()]
    per_photo = faces.groupby("path", sort=False).size()
    unread = photos[~photos["status"].isin([Status.OK.value, Status.NO_FACE.value])]
    looked_at = len(photos) - len(unread)
    histogram = np.bincount(np.minimum(per_photo.to_numpy(dtype=int), FACES_SHOWN), minlength=FACES_SHOWN + 1)
    histogram[0] = looked_at - len(per_photo)
    gendered = faces[faces["gender"].isin(["female", "male"])]
    is_female = (gendered["gender"] == "female").to_numpy()
    confidence = gendered["gender_confidence"].fillna(1.0).to_numpy(dtype=float)
    female, spread = expected_counts(np.where(is_female, confidence, 1 - confidence)[:, None])
    folders, left_out = _folders(photos, faces)
    quartiles = aged["age"].quantile([0.25, 0.5, 0.75]).to_list() if len(aged) else None
    return Numbers(
        photos=len(photos),
        with_faces=len(per_photo),
        without_faces=looked_at - len(per_photo),
        unread=len(unread),
        faces=len(faces),
        median_age=quartiles[1] if quartiles else None,
        quartiles=(quartiles[0], quartiles[2]) if quartiles else None,
        median_width=float((aged["age_high"] - aged["age_low"]).median()) if len(aged) else None,
        female=int(is_female.sum()),
        male=int((~is_female).sum()),
        female_expected=float(female[0]),
        female_spread=float(spread[0]),
        sure_of_gender=float((confidence >= 0.95).mean()) if len(gendered) else None,
        pyramid=_pyramid(aged[aged["gender"].isin(["female", "male"])]),
        per_photo=histogram.tolist(),
        folders=folders,
        folders_left_out=left_out,
        months=_months(photos, faces),
        reasons=_reasons(unread),
        partly=_reasons(photos[photos["status"].isin(["ok", "no_face"]) & _has_text(photos["message"])]),
        models=sorted({str(model) for model in frame["model"].dropna()}),
    )


def _pyramid(faces: Any) -> Pyramid:
    age = faces["age"].to_numpy(dtype=float)
    low, high = (faces[name].fillna(faces["age"]).to_numpy(dtype=float) for name in ("age_low", "age_high"))
    sure = faces["gender_confidence"].fillna(1.0).to_numpy(dtype=float)
    is_female = (faces["gender"] == "female").to_numpy()
    band = np.clip(np.digitize(age, EDGES) - 1, 0, len(BANDS) - 1)
    in_band = band_probabilities(age, low, high, EDGES)
    female = np.where(is_female, sure, 1 - sure)[:, None]
    female_mean, female_sd = expected_counts(in_band * female)
    male_mean, male_sd = expected_counts(in_band * (1 - female))
    return Pyramid(
        bands=BANDS,
        female=np.bincount(band[is_female], minlength=len(BANDS)).tolist(),
        male=np.bincount(band[~is_female], minlength=len(BANDS)).tolist(),
        female_expected=female_mean.tolist(),
        female_spread=female_sd.tolist(),
        male_expected=male_mean.tolist(),
        male_spread=male_sd.tolist(),
    )


def folder_of(path: str) -> str:
    """The folder part of a path as given; empty for a bare file name.

    >>> folder_of("photos/2019/a.jpg"), folder_of("a.jpg"), folder_of("/a.jpg")
    ('photos/2019', '', '/')
    """
    head, slash, _ = path.rpartition("/")
    return head or slash


def top_folders(folders: list[str]) -> list[str]:
    """For each folder the part that tells it from the others: one name below what all have in common.

    >>> top_folders(["p/a/x", "p/a/y", "p/b", "p"])
    ['a', 'a', 'b', '(directly in p)']
    """
    parts = {folder: folder.split("/") for folder in set(folders)}
    shared = 0
    if parts:
        first, last = min(parts.values()), max(parts.values())
        while shared < min(len(first), len(last)) and first[shared] == last[shared]:
            shared += 1
    top = "/".join(next(iter(parts.values()))[:shared]) if parts else ""
    name = {
        f: p[shared] if len(p) > shared else f"(directly in {top or 'the root'})" for f, p in parts.items()
    }
    return [name[folder] for folder in folders]


def _folders(photos: Any, faces: Any) -> tuple[list[Group], int]:
    names = top_folders([folder_of(path) for path in photos["path"]])
    groups = _groups(photos, faces, dict(zip(photos["path"], names, strict=True)))
    if len(groups) < 2:
        return [], 0
    groups.sort(key=lambda group: (-group.faces, -group.photos, group.name))
    shown = sorted(groups[:GROUPS_SHOWN], key=lambda group: group.name)
    return shown, len(groups) - len(shown)


def _months(photos: Any, faces: Any) -> list[Group]:
    """By the month of the files' modification time, UTC; nothing unless there are three and at most sixty."""
    times = photos.loc[photos["file_mtime_ns"].notna(), ["path", "file_mtime_ns"]]
    stamps = np.asarray([int(ns) for ns in times["file_mtime_ns"]], dtype="int64").astype("datetime64[ns]")
    names = dict(zip(times["path"], stamps.astype("datetime64[M]").astype(str), strict=True))
    if not 3 <= len(set(names.values())) <= 60:
        return []
    return sorted(_groups(photos, faces, names), key=lambda group: group.name)


def _groups(photos: Any, faces: Any, name_of: dict[str, str]) -> list[Group]:
    groups = []
    of_photo, of_face = photos["path"].map(name_of), faces["path"].map(name_of)
    parts = dict(iter(faces.groupby(of_face)))
    for name, inside in photos.groupby(of_photo):
        theirs = parts.get(name, faces.iloc[:0])
        ages = theirs["age"].dropna()
        gendered = theirs["gender"].dropna()
        groups.append(
            Group(
                name=str(name),
                photos=len(inside),
                unread=int((~inside["status"].isin(["ok", "no_face"])).sum()),
                faces=len(theirs),
                ages=tuple(ages.quantile([0.25, 0.5, 0.75])) if len(ages) else None,
                female=float((gendered == "female").mean()) if len(gendered) else None,
            )
        )
    return groups


def _has_text(column: Any) -> Any:
    return column.notna() & (column != "")


def _reasons(photos: Any) -> list[Reason]:
    """Group by status and message, numbers within a message apart ("212 megapixels, more than 200")."""
    files: dict[tuple[str, str], list[str]] = {}
    texts: dict[tuple[str, str], Counter[str]] = {}
    for path, status, message in zip(photos["path"], photos["status"], photos["message"], strict=True):
        text = message if isinstance(message, str) and message else "no reason given"
        key = (str(status), _NUMBER.sub("…", text))
        files.setdefault(key, []).append(path)
        texts.setdefault(key, Counter())[text] += 1
    found = [
        Reason(
            key[0],
            next(iter(texts[key])) if len(texts[key]) == 1 else key[1],
            len(paths),
            paths[:FILES_LISTED],
        )
        for key, paths in files.items()
    ]
    return sorted(found, key=lambda reason: (-reason.count, reason.status, reason.message))


def anonymised(numbers: Numbers) -> Numbers:
    """The same counts without any file or folder name; folders become "folder 1", "folder 2", …"""
    bare = [replace(reason, files=[]) for reason in numbers.reasons]
    partly = [replace(reason, files=[]) for reason in numbers.partly]
    folders = [replace(group, name=f"folder {i}") for i, group in enumerate(numbers.folders, start=1)]
    return replace(numbers, reasons=bare, partly=partly, folders=folders)
