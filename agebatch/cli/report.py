"""Options of `agebatch report`."""

from __future__ import annotations

from typing import Annotated

import typer

from agebatch.cli import options

EXAMPLES = options.examples(
    "agebatch report results.csv -o report.html",
    "agebatch report results.parquet -o report.html --no-thumbnails",
    'agebatch report results.csv -o to-share.html --anonymous --title "Archive 1950-1980"',
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("report", epilog=EXAMPLES)(report)


def report(
    *,
    results: Annotated[str, typer.Argument(metavar="RESULTS", help="A report that `scan` wrote.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="The page: one file that opens without network."),
    ] = "",
    no_thumbnails: Annotated[bool, typer.Option("--no-thumbnails", help="Leave out all pictures.")] = False,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Leave out pictures, paths and single faces: only counts.")
    ] = False,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Heading of the page.")] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Make one self-contained page of a report: who is in it, how sure, and what went wrong."""
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    from agebatch.commands.report import ReportSettings, run  # noqa: PLC0415

    run(ReportSettings(results, output, not no_thumbnails, anonymous, title))
