"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agebatch import console
from agebatch.cli.config import apply
from agebatch.errors import UsageError

MESSAGES = "Messages"
LOG_FORMATS = ("text", "json")


def _read_config(ctx: typer.Context, path: str | None) -> str | None:
    if path and not ctx.resilient_parsing:
        apply(path, ctx)
    return path


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Say only warnings and errors.", show_envvar=False, rich_help_panel=MESSAGES
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Say also the details.", show_envvar=False, rich_help_panel=MESSAGES
    ),
]
NoProgress = Annotated[
    bool, typer.Option("--no-progress", help="Show no progress.", show_envvar=False, rich_help_panel=MESSAGES)
]
LogFormat = Annotated[
    str,
    typer.Option(
        "--log-format",
        metavar="text|json",
        help="json: one event a line on stderr, each with the id of the run.",
        show_envvar=False,
        rich_help_panel=MESSAGES,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="AGEBATCH_CONFIG",
        is_eager=True,
        callback=_read_config,
        help="Take options from this TOML file: a table for each verb. The command line and the"
        " variables AGEBATCH_… go before it.",
        show_envvar=False,
        rich_help_panel=MESSAGES,
    ),
]


def talk(*, quiet: bool, verbose: bool, no_progress: bool, log_format: str) -> None:
    """Set how much the verb says."""
    if log_format not in LOG_FORMATS:
        raise UsageError(f"unknown log format {log_format!r}", "--log-format text, or json")
    console.configure(quiet=quiet, verbose=verbose, progress=not no_progress, log_format=log_format)


def examples(*lines: str) -> str:
    """Make the end of a verb's help: examples to paste, a line each."""
    escaped = [line.replace("[", "\\[") for line in lines]  # for rich
    return "\n\n".join(["[bold]Examples[/bold]", *escaped])


def auto_or_number(value: Any) -> float | None:
    """Read `auto` as None and anything else as a number.

    >>> auto_or_number("auto"), auto_or_number("40")
    (None, 40.0)
    """
    if value is None or value == "auto":
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(f"{value!r} is neither a number nor auto") from error
