"""Options of `agebatch show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agebatch.cli import options
from agebatch.settings import ScanSettings as Default

EXAMPLES = options.examples(
    "agebatch show photo.jpg",
    "agebatch show photo.jpg --min-face 30 --no-picture",
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("show", epilog=EXAMPLES)(show)


def show(
    *,
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A photograph.")],
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Only the table of its faces.")] = False,
    min_face: Annotated[
        Any,
        typer.Option(
            "--min-face",
            metavar="PIXELS|auto",
            parser=options.auto_or_number,
            help="Smallest face; as in scan.",
        ),
    ] = "auto",
    min_score: Annotated[
        float, typer.Option(metavar="0.8..1", help="How sure the detector must be.")
    ] = Default.min_score,
    pre_cropped: Annotated[
        bool, typer.Option("--pre-cropped", help="The picture is one face, cut out as in UTKFace.")
    ] = Default.pre_cropped,
    model: Annotated[str | None, typer.Option(metavar="DIR", help="A model of your own.")] = Default.model,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|gpu", help="Where the networks run.")
    ] = Default.device,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Show one photograph's faces, and the picture itself where the terminal can."""
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    from agebatch.commands.show import ShowSettings, run  # noqa: PLC0415

    run(
        ShowSettings(
            photo,
            picture=not no_picture,
            min_face=min_face,
            min_score=min_score,
            pre_cropped=pre_cropped,
            model=model,
            device=device,
        )
    )
