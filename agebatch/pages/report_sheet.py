"""The contact sheet of the report page: every face as compact columns, some of them with a thumbnail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from agebatch.pages.report_numbers import folder_of
from agebatch.pages.thumbnails import SIDE, data_uri, square
from agebatch.pages.uncertainty import doubt
from agebatch.results.names import decode_path

MOST_THUMBNAILS = 2000  # about 4 MB of page


def sheet(frame: Any, thumbnails: dict[int, str]) -> dict[str, Any]:
    """The faces of `report_numbers.frame_of`'s frame as columns that report.js reads.

    Whole numbers only: ages in tenths of a year (-1: none), probabilities and doubt in thousandths, boxes in
    pixels. `g` is one letter a face: f, m or -. `thumbnails` maps a face's place among the faces to a URI.
    """
    faces = frame[frame["is_face"]]
    photos = faces.drop_duplicates("path")
    place = {path: i for i, path in enumerate(photos["path"])}
    folders: dict[str, int] = {}
    listed = [
        [folders.setdefault(folder_of(path), len(folders)), path.rpartition("/")[2]]
        for path in photos["path"]
    ]
    return {
        "folders": list(folders),
        "photos": listed,
        "p": [place[path] for path in faces["path"]],
        "n": _whole(faces["face"]),
        "a": _whole(faces["age"], 10),
        "l": _whole(faces["age_low"], 10),
        "h": _whole(faces["age_high"], 10),
        "g": "".join({"female": "f", "male": "m"}.get(gender, "-") for gender in faces["gender"]),
        "c": _whole(faces["gender_confidence"], 1000),
        "s": _whole(faces["face_score"], 1000),
        "d": (doubts(faces) * 1000).round().astype(int).tolist(),
        "x": [_whole(faces[name]) for name in ("x", "y", "w", "h")],
        "thumbs": list(thumbnails.values()),
        "t": list(thumbnails),
    }


def doubts(faces: Any) -> np.ndarray:
    """How uncertain each face is among the others, 0..1."""
    return doubt(
        *(faces[name].to_numpy(dtype=float) for name in ("age_low", "age_high", "gender_confidence"))
    )


def choose(uncertain: np.ndarray, most: int = MOST_THUMBNAILS) -> np.ndarray:
    """Which faces get a thumbnail: all, or `most`: half the least certain, half evenly from the rest.

    >>> choose(np.array([0.1, 0.9, 0.2, 0.3, 0.4, 0.8]), most=4).tolist()
    [0, 1, 4, 5]
    """
    if len(uncertain) <= most:
        return np.arange(len(uncertain))
    order = np.argsort(-uncertain, kind="stable")
    first = order[: most // 2]
    rest = np.sort(order[most // 2 :])
    evenly = rest[np.linspace(0, len(rest) - 1, most - len(first)).round().astype(int)]
    return np.unique(np.concatenate([first, evenly]))


def cut_thumbnails(
    frame: Any, chosen: Iterable[int], beside: Path, advance: Callable[[int], object] = lambda _: None
) -> tuple[dict[int, str], int]:
    """Cut the chosen faces out of their photographs, each read once and only as large as needed.

    beside: the folder of the report, where relative paths are looked for when they aren't found from here.
    Returns the URIs by the face's place among the faces, in order, and how many photographs could not be
    used: not found, not readable now, or changed since the scan, so that the box would show something else.
    """
    faces = frame[frame["is_face"]].reset_index(drop=True)
    chosen_faces = faces.loc[list(chosen)]
    jobs = [(path, part) for path, part in chosen_faces.groupby("path", sort=False)]
    uris: dict[int, str] = {}
    missing = 0
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for found in pool.map(lambda job: _cut(beside, *job), jobs):
            missing += found is None
            uris |= found or {}
            advance(1)
    return dict(sorted(uris.items())), missing


def _cut(beside: Path, path: str, faces: Any) -> dict[int, str] | None:
    from agebatch.images.reading import Picture, read  # noqa: PLC0415 - decoders are slow to load

    file = _find(beside, decode_path(path), faces.iloc[0])
    if file is None:
        return None
    longer = float(np.nanmax(faces[["width", "height"]].to_numpy(dtype=float)[0]))
    smallest = float(np.maximum(faces["w"], faces["h"]).min())
    picture = read(file, side=max(64, round(longer * SIDE / (1.5 * max(smallest, 1)))))
    if not isinstance(picture, Picture):
        return None
    boxes = faces[["x", "y", "w", "h"]].to_numpy(dtype=float) * picture.scale
    cuts = {
        i: data_uri(square(picture.pixels, tuple(box))) for i, box in zip(faces.index, boxes, strict=True)
    }
    return {int(i): uri for i, uri in cuts.items()}


def _find(beside: Path, path: str, row: Any) -> Path | None:
    """The photograph that the row was computed from, unchanged; None where it is not."""
    for file in _places(beside, path):
        try:
            stat = file.stat()
        except (OSError, ValueError):
            continue
        size, time = row["file_size"], row["file_mtime_ns"]
        same_size = size is None or np.isnan(float(size)) or stat.st_size == int(size)
        same_time = time is None or np.isnan(float(time)) or abs(stat.st_mtime_ns - int(time)) < 2e9
        if same_size and same_time:
            return file
    return None


def _places(beside: Path, path: str) -> Iterator[Path]:
    yield Path(path)
    if not path.startswith("/"):
        yield beside / path


def _whole(column: Any, factor: float = 1) -> list[int]:
    values = column.to_numpy(dtype=float) * factor
    return np.where(np.isnan(values), -1, values.round()).astype(int).tolist()
