"""Options of `agebatch dataset`."""

from __future__ import annotations

from typing import Annotated

import typer

from agebatch.cli import options

EXAMPLES = options.examples(
    "agebatch dataset UTKFace",
    "agebatch dataset UTKFace --html utkface.html",
    "agebatch dataset UTKFace fairface:fairface --html both.html",
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("dataset", epilog=EXAMPLES)(dataset)


def dataset(
    *,
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...",
            help="Folders of UTKFace-named files, or with labels.csv (file,age,gender). DIR:fairface and DIR:align "
            "as in fit.",
        ),
    ],
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Also a page with plots and samples.")
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Explain labelled faces: counts, wrong names, near-duplicates, labels that are probably wrong."""
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    from agebatch.commands.dataset import DatasetSettings, run  # noqa: PLC0415

    run(DatasetSettings(tuple(folders), html))
