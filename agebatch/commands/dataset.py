"""`agebatch dataset`: what labelled folders hold, in short on the terminal and in full as a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agebatch import console
from agebatch.errors import InputError, UsageError

if TYPE_CHECKING:
    from agebatch.datasets.labelled import Labelled
    from agebatch.pages.dataset_page import Explained

SHOWN = 5  # lines of each list on the terminal; the page has more


@dataclass(frozen=True)
class DatasetSettings:
    """Everything `agebatch dataset` can be told. Raises UsageError when a value makes no sense.

    `folders` are `DIR` or `DIR:FRAMING`, as `fit` takes them.
    """

    folders: tuple[str, ...] = ()
    html: str | None = None

    def __post_init__(self) -> None:
        if not self.folders:
            raise UsageError("no data set named", "name a folder of UTKFace files, or one with labels.csv")
        if self.html is not None and Path(self.html).suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"the page {self.html} must end in .html", "--html dataset.html")


def run(settings: DatasetSettings) -> None:
    """Read and explain every folder; write the page where one is wanted.

    Raises:
        InputError: a folder is missing or empty, or holds nothing labelled that can be used.
        OutputError: the page can't be written.
    """
    from agebatch.datasets.labelled import parse_dataset, read_dataset  # noqa: PLC0415 - --help stays quick

    # All labels first: a wrong name in second place is told at once, not after a minute of reading.
    labelled = [read_dataset(*parse_dataset(folder)) for folder in settings.folders]
    sets = []
    for data in labelled:
        sets.append(_explained(data))
        _tell(sets[-1])
    if settings.html:
        from agebatch.pages.dataset_page import page_of  # noqa: PLC0415 - matplotlib
        from agebatch.pages.shell import write_page  # noqa: PLC0415

        write_page(settings.html, page_of(sets))
        size = Path(settings.html).stat().st_size / 1e6
        console.note(f"wrote {settings.html} ({size:.1f} MB)", "page", output=settings.html)


def _explained(data: Labelled) -> Explained:
    from agebatch.datasets.chips import load_chips  # noqa: PLC0415
    from agebatch.datasets.explain import explain  # noqa: PLC0415
    from agebatch.pages.dataset_page import Explained  # noqa: PLC0415

    with console.progress(len(data.samples), f"pictures of {data.folder}") as bar:
        chips = load_chips(data.samples, data.folder, None, data.framing, tell=bar.advance)
    if not chips.ok.any():
        raise InputError(
            f"{data.folder}: none of its {len(data.samples)} labelled pictures can be used;"
            f" {data.samples[0].file}: {chips.reasons[0]}",
            "are they pictures?",
        )
    return Explained(data, chips, explain(data, chips))


def _tell(one: Explained) -> None:
    data, numbers = one.data, one.numbers
    lost = sum(not reject.recovered for reject in data.rejects)
    disagree = numbers.disagreeing
    copies = sum(map(len, numbers.groups))
    rows = [
        ("labelled pictures", f"{len(data.samples):,}"),
        ("exact ages, ranges, none", f"{len(numbers.ages):,}, {numbers.ranges:,}, {numbers.ageless:,}"),
        ("gender", _list(numbers.genders)),
        ("ethnicity", _list(numbers.ethnicities)),
        ("labels not as they should be", f"{len(data.rejects):,}, of them left out {lost:,}"),
        ("unusable pictures", f"{len(numbers.unusable):,}"),
        (
            "near-duplicates",
            f"{copies:,} in {len(numbers.groups):,} groups; labels differ in {len(disagree):,}",
        ),
        ("probably wrong labels", f"{len(numbers.suspects):,}"),
        ("split", _list(numbers.splits)),
    ]
    if data.unlabelled:
        rows.insert(1, ("pictures not in labels.csv", f"{data.unlabelled:,}"))
    console.table(rows, title=str(data.folder))
    console.table(
        [(name, *(f"{n:,}" for n in counts)) for name, *counts in numbers.bands],
        ("age", "female", "male", "unknown"),
    )
    _tell_rejects(data)
    _some("can't be used", [f"{file}: {reason}" for file, reason in numbers.unusable])
    _some("labels of one photograph differ", [_told(one, group) for group in disagree])


def _told(one: Explained, group: object) -> str:
    from agebatch.datasets.explain import in_words  # noqa: PLC0415

    members = [one.data.samples[i] for i in group.members]  # type: ignore[attr-defined]
    return "  ".join(f"{sample.file} ({in_words(sample)})" for sample in members)


def _tell_rejects(data: Labelled) -> None:
    reasons = Counter(reject.reason for reject in data.rejects)
    first = {}
    for reject in data.rejects:
        first.setdefault(reject.reason, reject)
    lines = []
    for reason, count in reasons.most_common():
        reject = first[reason]
        used = f"used: {reject.recovered}" if reject.recovered else "left out"
        lines.append(f"{count:,} × {reason}, as in {reject.file or '–'} ({used})")
    _some("labels not as they should be", lines)


def _some(heading: str, lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        console.note(f"{heading}: {line}")
    if len(lines) > SHOWN:
        console.note(f"{heading}: {len(lines) - SHOWN:,} more; --html PAGE shows them")


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
