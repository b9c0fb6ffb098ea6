"""Options of `agebatch evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from agebatch.cli import options
from agebatch.settings import EvaluateSettings as Default

EXAMPLES = options.examples(
    "agebatch evaluate UTKFace",
    "agebatch evaluate UTKFace --model models/mine --html evaluation.html",
    "agebatch evaluate fairface:fairface --split all --limit 5000 -o evaluation.json",
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("evaluate", epilog=EXAMPLES)(evaluate)


def evaluate(
    *,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A folder of labelled faces; DIR:fairface and DIR:align as in fit."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL_DIR", help="The shipped model when not given.")
    ] = Default.model,
    split: Annotated[
        str, typer.Option(metavar="test|validation|train|all", help="Which part of the data set.")
    ] = Default.split,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Take at most so many faces of the data set. Near-duplicates are then looked for, and splits made, "
            "among these alone: faces of the whole set's training split can come in.",
        ),
    ] = Default.limit,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="All figures as JSON; - is stdout.")
    ] = Default.output,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="All figures as a page to look at.")] = (
        Default.html
    ),
    device: Annotated[str, typer.Option(metavar="auto|cpu|gpu", help="Where to compute.")] = Default.device,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Measure a model on labelled faces, overall and by age, gender and ethnicity.

    Each figure comes with its number of faces, a 95 % interval and a trivial baseline. The test split holds what a
    model trained on the same data set never saw; agebatch says so where that is not the case.
    """
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    settings = Default(
        dataset=dataset, model=model, split=split, limit=limit, output=output, html=html, device=device
    )
    from agebatch.commands.evaluate import run  # noqa: PLC0415 - only now, so that --help stays quick

    run(settings)
