"""The one place that talks to people: notes, warnings, tables and progress on stderr.

stdout carries data only (`data`). Whatever comes from outside (file names, EXIF, messages of decoders)
goes through `visible`, so that no name can move the cursor, colour the terminal or reverse the line.
With `--log-format json` everything becomes one JSON object a line, with the id of the run.
"""

# ruff: noqa: PLC0415 - rich costs 60 ms and is loaded when there is something to say

from __future__ import annotations

import json
import os
import sys
import time
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from agebatch.errors import AgebatchError

PLAIN_EVERY = 30.0  # seconds between progress lines where there is no terminal


@dataclass
class _How:
    quiet: bool = False
    verbose: bool = False
    progress: bool = True
    json: bool = False
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])


_how = _How()


def configure(
    *, quiet: bool = False, verbose: bool = False, progress: bool = True, log_format: str = "text"
) -> None:
    """Set for this process how much is said, and in which form (`text` or `json`)."""
    global _how  # noqa: PLW0603 - a terminal is global by nature
    _how = _How(quiet, verbose, progress, log_format == "json")


@contextmanager
def silent() -> Iterator[None]:
    """Let a command inside another say only warnings and errors."""
    global _how  # noqa: PLW0603
    before, _how = _how, replace(_how, quiet=True)
    try:
        yield
    finally:
        _how = before


def run_id() -> str:
    """Twelve hexadecimal digits that name this run in its log and its summary."""
    return _how.run


def is_verbose() -> bool:
    """True with --verbose."""
    return _how.verbose


def visible(text: object) -> str:
    r"""Make a text harmless and legible on a terminal: control, direction and undecodable characters escaped.

    >>> visible("a\nb\x1b[31m.jpg"), visible("x\u202egpj.exe"), visible("\udcff.jpg")
    ('a\\nb\\x1b[31m.jpg', 'x\\u202egpj.exe', '\\xff.jpg')
    """
    return "".join(_visible(c) for c in str(text))


def _visible(c: str) -> str:
    if c.isprintable():
        return c
    if "\udc80" <= c <= "\udcff":  # surrogateescape: a byte that isn't UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    if unicodedata.category(c) == "Zs":
        return c
    return c.encode("unicode_escape").decode("ascii")


def _console() -> Console:
    from rich.console import Console

    return Console(file=_stream(), highlight=False, markup=False, emoji=False, soft_wrap=True)


def keep_apart() -> None:
    """Give the console a descriptor of its own, so that stderr can be redirected without losing its words."""
    _stream()


def _stream() -> TextIO:
    stream = sys.stderr
    try:
        is_plain = stream.fileno() == 2
    except (AttributeError, OSError, ValueError):  # captured by a test, or closed
        return stream
    return _own_stream() if is_plain else stream


@lru_cache(maxsize=1)
def _own_stream() -> TextIO:
    encoding = sys.stderr.encoding
    return os.fdopen(os.dup(2), "w", encoding=encoding, errors="backslashreplace", buffering=1)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def event(name: str, message: str = "", level: str = "info", **fields: Any) -> None:
    """Write one JSON line to stderr; says nothing in text mode (`note` and friends do both)."""
    if not _how.json:
        return
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    line = {"time": now, "run": _how.run, "level": level, "event": name, "message": message, **fields}
    text = {key: _utf8(value) if isinstance(value, str) else value for key, value in line.items()}
    print(json.dumps(text, default=str), file=_stream(), flush=True)  # ASCII: no character can act


def _utf8(text: str) -> str:
    # A lone surrogate is no valid JSON outside Python; the byte it stands for is shown instead.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _say(
    name: str, message: str, level: str, fields: dict[str, Any], *, style: str, prefix: str = ""
) -> None:
    if _how.json:
        event(name, message, level, **fields)
        return
    from rich.text import Text

    text = Text(prefix, style=style)
    _console().print(text.append(visible(message), style=None if prefix else style))


def note(message: str, name: str = "note", style: str = "", **fields: Any) -> None:
    """Say one thing that most people want to know; silent with --quiet."""
    if not _how.quiet:
        _say(name, message, "info", fields, style=style)


def detail(message: str, name: str = "detail", **fields: Any) -> None:
    """Say one thing that only --verbose wants to know."""
    if _how.verbose:
        _say(name, message, "debug", fields, style="dim")


def warn(message: str, name: str = "warning", **fields: Any) -> None:
    """Say that something is probably not what the user meant; also with --quiet."""
    _say(name, message, "warning", fields, style="yellow", prefix="warning: ")


def error(problem: AgebatchError | str, hint: str = "", name: str = "error", **fields: Any) -> None:
    """Say why the run ends, and what to try."""
    hint = hint or getattr(problem, "hint", "")
    if _how.json:
        event(name, str(problem), "error", hint=hint, **fields)
        return
    _say(name, str(problem), "error", fields, style="bold red", prefix="error: ")
    if hint:
        _say(name, hint, "error", fields, style="cyan", prefix="  try: ")


def data(text: str) -> None:
    """Write data to stdout, exactly as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def table(
    rows: Iterable[Sequence[object]], columns: Sequence[str] = (), title: str = "", **fields: Any
) -> None:
    """Show a small table on stderr; numbers and right-hand columns are aligned to the right.

    With `--log-format json` one event `table` carries the rows instead.
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    if _how.quiet:
        return
    if _how.json:
        event("table", title, columns=list(columns), rows=rows, **fields)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        title=visible(title) or None, title_justify="left", box=box.SIMPLE_HEAD, show_header=bool(columns)
    )
    width = max((len(row) for row in rows), default=len(columns))
    for index in range(width):
        name = columns[index] if index < len(columns) else ""
        shown.add_column(Text(visible(name)), justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    _console().print(shown)


class Progress:
    """How far a long piece of work is. `advance` may be called from one thread at a time."""

    def __init__(self, total: int | None, what: str) -> None:
        self.total, self.what, self.done, self.extra = total, what, 0, ""
        self.started = self._said = time.monotonic()
        self._first = 0

    def advance(self, count: int = 1, extra: str = "") -> None:
        """Count `count` more as done; `extra` is shown behind the rate."""
        if not self.done:  # the rate of the work, without the time that the start took
            self.started, self._first = time.monotonic(), count
        self.done += count
        self.extra = extra or self.extra
        self._show()

    def rate(self) -> float:
        """Pieces per second since the first was done."""
        return (self.done - self._first) / max(time.monotonic() - self.started, 1e-9)

    def left(self) -> str:
        """How long the rest takes, for people; empty while that can't be told."""
        if not self.total or not self.rate():
            return ""
        return f"{duration((self.total - self.done) / self.rate())} left"

    def line(self) -> str:
        """The progress in one plain line."""
        of = f" of {self.total:,} ({self.done / self.total:.0%})" if self.total else ""
        rate = f"{self.rate():.1f} per second" if self.rate() else ""
        parts = [f"{self.done:,}{of} {self.what}", rate, self.left(), self.extra]
        return ", ".join(filter(None, parts))

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._said >= PLAIN_EVERY:
            self._said = now
            rate = round(self.rate(), 2)
            note(self.line(), "progress", done=self.done, total=self.total, per_second=rate)


class _Bar(Progress):
    """The same on a terminal: a bar that repaints itself."""

    def __init__(self, total: int | None, what: str) -> None:
        super().__init__(total, what)
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            console=_console(),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=5,
        )
        self._task = self._bar.add_task("", total=total, what=what, rate="starting")

    def _show(self) -> None:
        rate = "  ".join(filter(None, [f"{self.rate():.1f}/s", self.left(), visible(self.extra)]))
        self._bar.update(self._task, completed=self.done, rate=rate)


@contextmanager
def progress(total: int | None, what: str = "images") -> Iterator[Progress]:
    """Show progress while the block runs: a bar on a terminal, one plain line every 30 s elsewhere."""
    if _how.quiet or not _how.progress:
        yield _Silent(total, what)
    elif _how.json or not _is_terminal():
        yield Progress(total, what)
    else:
        bar = _Bar(total, what)
        with bar._bar:
            yield bar


class _Silent(Progress):
    def _show(self) -> None:
        pass


def count(number: int, thing: str) -> str:
    """A number of things, in the plural where it is one.

    >>> count(1, "photograph"), count(1200, "photograph")
    ('1 photograph', '1,200 photographs')
    """
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """A time span as people say it.

    >>> duration(3.2), duration(95), duration(7322)
    ('3 s', '1 min 35 s', '2 h 2 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
