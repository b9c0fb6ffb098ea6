"""`agebatch report`: a scan's results as one page to look at."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agebatch import console
from agebatch.errors import InputError, UsageError

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class ReportSettings:
    """Everything `agebatch report` can be told. Raises UsageError when a value makes no sense.

    `anonymous` leaves out every path, face and per-face value; only counts stay.
    """

    results: str
    output: str
    thumbnails: bool = True
    anonymous: bool = False
    title: str | None = None

    def __post_init__(self) -> None:
        if not self.output:
            raise UsageError("no page named", "-o report.html")
        if Path(self.output).suffix.lower() not in SUFFIXES:
            raise UsageError(f"the page {self.output} must end in .html", "-o report.html")


def run(settings: ReportSettings) -> None:
    """Write the page and say where it is.

    Raises InputError, OutputError.
    """
    write_report(
        settings.results,
        settings.output,
        thumbnails=settings.thumbnails,
        anonymous=settings.anonymous,
        title=settings.title,
    )
    size = Path(settings.output).stat().st_size / 1e6
    console.note(f"wrote {settings.output} ({size:.1f} MB)", "report", output=settings.output)


def write_report(
    results: str | Path,
    output: str | Path,
    *,
    thumbnails: bool = True,
    anonymous: bool = False,
    title: str | None = None,
) -> None:
    """Write the page of a report; also what `scan --html` calls.

    Raises:
        InputError: the report is missing or holds no row.
        OutputError: it is no report of agebatch, or the page can't be written.
    """
    from agebatch.pages.report_numbers import frame_of  # noqa: PLC0415 - pandas is slow to load
    from agebatch.pages.shell import write_page  # noqa: PLC0415
    from agebatch.results.files import read_rows  # noqa: PLC0415

    frame = frame_of(read_rows(results))
    if frame.empty:
        raise InputError(f"there is no row in {results}", "scan some photographs first: agebatch scan PHOTOS")
    pictures, missing = {}, 0
    if thumbnails and not anonymous:
        pictures, missing = _thumbnails(frame, Path(os.path.realpath(results)).parent)
    page = page_of(
        frame, source=Path(results).name, title=title, anonymous=anonymous, pictures=pictures, missing=missing
    )
    write_page(output, page)


def page_of(
    frame: Any,
    *,
    source: str,
    title: str | None = None,
    anonymous: bool = False,
    pictures: dict[int, str] | None = None,
    missing: int = 0,
) -> str:
    """The page of `report_numbers.frame_of`'s frame as HTML, the same for the same frame.

    pictures: thumbnails by the face's place among the faces; missing: photographs they couldn't be cut from.
    """
    from agebatch.pages import shell  # noqa: PLC0415
    from agebatch.pages.report_numbers import FACES_SHOWN, anonymised, count  # noqa: PLC0415
    from agebatch.pages.report_plots import draw  # noqa: PLC0415
    from agebatch.pages.report_sheet import sheet  # noqa: PLC0415
    from agebatch.results.names import encode_path  # noqa: PLC0415

    pictures = pictures or {}
    numbers = count(frame)
    if anonymous:
        numbers = anonymised(numbers)
    columns = [*map(str, range(FACES_SHOWN)), f"{FACES_SHOWN} or more"]
    return shell.render(
        "report.html.j2",
        script="" if anonymous else "report.js",
        heading=title or ("Faces" if anonymous else f"Faces in {encode_path(source)}"),
        source="" if anonymous else encode_path(source),
        n=numbers,
        plots=draw(frame, numbers),
        per_photo=list(zip(columns, (f"{n:,}" for n in numbers.per_photo), strict=True)),
        group_rows=[_group_row(group) for group in numbers.folders],
        rows_of=lambda reasons: [(r.status, r.message, f"{r.count:,}") for r in reasons],
        sheet=None if anonymous else shell.embed_json(sheet(frame, pictures)),
        some_thumbnails=0 < len(pictures) < numbers.faces,
        notes=_notes(len(pictures), numbers.faces, missing),
        anonymous=anonymous,
    )


def _thumbnails(frame: Any, beside: Path) -> tuple[dict[int, str], int]:
    from agebatch.pages.report_sheet import choose, cut_thumbnails, doubts  # noqa: PLC0415

    faces = frame[frame["is_face"]].reset_index(drop=True)
    chosen = choose(doubts(faces))
    with console.progress(int(faces.loc[chosen, "path"].nunique()), "photographs for thumbnails") as bar:
        advance: Callable[[int], object] = bar.advance
        return cut_thumbnails(frame, chosen.tolist(), beside, advance)


def _group_row(group: Any) -> tuple[str, ...]:
    from agebatch.pages.shell import number, percent  # noqa: PLC0415

    return (
        group.name,
        number(group.photos),
        number(group.unread),
        number(group.faces),
        number(group.faces / group.photos if group.photos else None, 2),
        number(group.ages[1] if group.ages else None, 1),
        f"{group.ages[0]:.1f}–{group.ages[2]:.1f}" if group.ages else "–",
        percent(group.female),
    )


def _notes(pictures: int, faces: int, missing: int) -> list[str]:
    notes = []
    if 0 < pictures < faces:
        notes.append(
            f"{pictures:,} of the {faces:,} faces have a picture: the least certain ones, and others"
            " evenly spread."
        )
    if missing:
        notes.append(
            f"{missing:,} photograph{'' if missing == 1 else 's'} could not be used for pictures: not found"
            " from where the page was made, or changed since the scan."
        )
    return notes
