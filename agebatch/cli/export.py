"""Options of `agebatch export`."""

from __future__ import annotations

from typing import Annotated

import typer

from agebatch.cli import options
from agebatch.settings import ExportSettings as Default

EXAMPLES = options.examples(
    "agebatch export -o age_gender.tflite",
    "agebatch export models/mine --format savedmodel -o exported",
    "agebatch export models/mine --format onnx -o age_gender.onnx",
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("export", epilog=EXAMPLES)(export)


def export(
    *,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL_DIR", help="The shipped model when not given.")
    ] = Default.model,
    format: Annotated[
        str | None,
        typer.Option(metavar="savedmodel|onnx|tflite", help="By the output's suffix when not given."),
    ] = Default.format,
    output: Annotated[str, typer.Option("--output", "-o", metavar="PATH", help="Where to write it.")] = (
        Default.output
    ),
    quiet: options.Quiet = False,
) -> None:
    """Write a model in another format, and check that it gives the same answers.

    Input: chips, float32 (N, S, S, 3), RGB 0..255. Outputs: age, probabilities of the years 0..100, and gender,
    a logit that is positive for female; the card's calibration is to be applied to them.
    """
    options.talk(quiet=quiet, verbose=False, no_progress=False, log_format="text")
    settings = Default(model=model, format=format, output=output)
    from agebatch.commands.export import run  # noqa: PLC0415 - only now, so that --help stays quick

    run(settings)
