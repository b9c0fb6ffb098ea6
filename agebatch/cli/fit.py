"""Options of `agebatch fit`."""

from __future__ import annotations

from typing import Annotated

import typer

from agebatch.cli import options
from agebatch.settings import FitSettings as Default

EXAMPLES = options.examples(
    "agebatch fit UTKFace -o models/mine",
    "agebatch fit UTKFace fairface:fairface -o models/mine --epochs 30",
    "agebatch fit faces -o models/mine --init models/first --epochs 10",
    "agebatch scan photos -o results.csv --model models/mine",
)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("fit", epilog=EXAMPLES)(fit)


def fit(
    *,
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...",
            help="Folders of UTKFace-named files, or with labels.csv (file,age,gender). DIR:fairface says that "
            "the faces are cut as FairFace cuts them, DIR:align that they are still to be found: the one nearest "
            "the middle of each picture counts. The first is the one to be good at.",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="MODEL_DIR", help="Model folder. A re-run goes on there.")
    ] = Default.output,
    epochs: Annotated[int, typer.Option(metavar="N", help="How often to go through the first data set.")] = (
        Default.epochs
    ),
    batch_size: Annotated[int, typer.Option(metavar="N", help="Faces per step.")] = Default.batch_size,
    learning_rate: Annotated[float, typer.Option(metavar="X", help="Of the plateau.")] = (
        Default.learning_rate
    ),
    seed: Annotated[int, typer.Option(metavar="N", help="Of everything random.")] = Default.seed,
    init: Annotated[
        str | None, typer.Option(metavar="MODEL_DIR", help="Start from the weights of this model.")
    ] = Default.init,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="small|medium|large",
            help="Of the network. small: two cores train it in an evening; large: for a GPU, as a teacher. "
            "Default: small, or that of --init.",
        ),
    ] = Default.size,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL_DIR",
            help="Learn from what this model says of each face, too. May be given several times.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Take at most so many faces of each data set. Near-duplicates are then looked for, and splits made, "
            "among these alone.",
        ),
    ] = Default.limit,
    patience: Annotated[
        int, typer.Option(metavar="N", help="Stop after so many epochs without a better validation score.")
    ] = Default.patience,
    chip: Annotated[int, typer.Option(metavar="PIXELS", help="Side of the chips that faces are cut to.")] = (
        Default.chip
    ),
    crop: Annotated[
        int,
        typer.Option(
            metavar="PIXELS",
            help="Side of the middle of a chip that the network looks at. More shows it more, and takes longer: the "
            "work grows with the square.",
        ),
    ] = Default.crop,
    coarse_share: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Share of the epochs that look at smaller pictures first: twice the faces a second.",
        ),
    ] = Default.coarse_share,
    mirror: Annotated[
        bool, typer.Option("--mirror/--no-mirror", help="Average each answer with that for the mirror image.")
    ] = Default.mirror,
    device: Annotated[str, typer.Option(metavar="auto|cpu|gpu", help="Where to compute.")] = Default.device,
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|mixed",
            help="mixed is quicker on a GPU, and on a processor with bfloat16 (avx512_bf16 or amx_bf16 in "
            "/proc/cpuinfo); on others it is far slower. auto: mixed on these.",
        ),
    ] = Default.precision,
    tensorboard: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write TensorBoard's events (agebatch\\[tensorboard]).")
    ] = Default.tensorboard,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Train a model on labelled faces: age and gender together.

    The folder gets the weights, a card, a model card in words, and the curves of loss, error and accuracy. The
    same command again goes on after the last finished epoch, also after a crash; more --epochs go further.
    """
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    settings = Default(
        datasets=tuple(datasets),
        output=output,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        init=init,
        size=size,
        teachers=tuple(teacher or ()),
        limit=limit,
        patience=patience,
        chip=chip,
        crop=crop,
        coarse_share=coarse_share,
        mirror=mirror,
        device=device,
        precision=precision,
        tensorboard=tensorboard,
    )
    from agebatch.commands.fit import run  # noqa: PLC0415 - only now, so that --help stays quick

    run(settings)
