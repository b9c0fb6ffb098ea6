"""Options of `agebatch bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from agebatch.cli import options
from agebatch.settings import BenchSettings

EXAMPLES = options.examples(
    "agebatch bench", "agebatch bench photos --json bench.json", "agebatch bench --json -"
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("bench", epilog=EXAMPLES)(bench)


def bench(
    *,
    photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="PHOTOS...", help="Photographs and folders; left out, some are made."),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Also as JSON; - is stdout.", show_envvar=False),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", metavar="N", help="Photographs made of each size.", show_envvar=False)
    ] = BenchSettings.count,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", help="Processes that read photos; one per core.", show_envvar=False
        ),
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Measure where the time of a scan goes on this machine.

    Each stage alone, then a whole scan beside the decode ceiling: the same files decoded and nothing else.
    """
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    from agebatch.commands import bench as command  # noqa: PLC0415
    from agebatch.commands import scan  # noqa: PLC0415

    command.run(BenchSettings(tuple(photos or ()), json, workers, count), scan.run)
