"""`agebatch fit`: labelled folders in, a model folder out; the same command again goes on where it stopped."""

# ruff: noqa: PLC0415 - TensorFlow is loaded once the input is known to be good

from __future__ import annotations

import csv
import dataclasses
import io
import os
import platform
import shlex
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agebatch import __version__, console
from agebatch.datasets.examples import Examples, digest, load_examples
from agebatch.datasets.labelled import parse_dataset
from agebatch.errors import AgebatchError, InputError, UsageError
from agebatch.model import package
from agebatch.pipeline.hush import hushed
from agebatch.results.atomic import AtomicFile, output_errors
from agebatch.settings import SIZES, FitSettings

if TYPE_CHECKING:
    from agebatch.model.package import Package
    from agebatch.model.training import Run

FEWEST = 8  # examples, to train on at all
SMALL = 1000  # examples; below this a person is warned
_NAMED = (  # options that decide about the model
    *("size", "chip", "crop", "coarse_share", "epochs", "batch_size", "learning_rate", "seed", "limit"),
    *("patience", "precision"),
)
CHECKPOINT = "checkpoint.npz"
HISTORY, CURVES = "history.csv", "curves.png"


def run(settings: FitSettings) -> None:
    """Train, calibrate, measure and package a model.

    Raises:
        InputError: a data set is missing, or too small to train on.
        ModelError: the checkpoint in the output folder is damaged or belongs to another run.
        OutputError: the model folder can't be written.
    """
    folder = Path(settings.output)
    was_there = folder.exists()
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        _run(settings, folder)
    except AgebatchError:
        if not was_there:
            with suppress(OSError):  # it holds something: a checkpoint to go on from
                folder.rmdir()
        raise


def _run(settings: FitSettings, folder: Path) -> None:
    # Before minutes of reading: a wrong --init or a missing package is told at once.
    initial = package.load(settings.init) if settings.init else None
    teachers = [_teacher(named, settings) for named in settings.teachers]
    if initial and _pixels(initial) != (settings.chip, settings.crop):
        chip, crop = _pixels(initial)
        console.warn(
            f"{settings.init} looks at {crop} of {chip} pixels, the new model will look at {settings.crop} of "
            f"{settings.chip}; --chip {chip} --crop {crop} keeps them"
        )
    if settings.tensorboard and find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs the package tensorboard", "pip install 'agebatch[tensorboard]'")
    console.note("reading the data sets")
    examples = load_examples(
        settings.datasets, settings.chip, settings.limit, console.warn, console.progress, settings.device
    )
    train = examples.take(examples.split == "train")
    # Of the first data set only: it is the one to be good at, so it alone chooses and calibrates.
    validation = examples.take((examples.split == "validation") & (examples.source == 0))
    _check(train, validation, settings)

    with hushed():
        from agebatch.model import training
        from agebatch.model.devices import choose
        from agebatch.model.network import ARCHITECTURES, Architecture

        device = choose(settings.device, settings.precision)
    architecture = (
        Architecture.from_json(initial.card["architecture"])
        if initial
        else ARCHITECTURES[settings.size or SIZES[0]]
    )
    steps = max(1, int((train.source == 0).sum()) // settings.batch_size)
    state = training.start(
        settings,
        architecture,
        steps,
        initial.network() if initial else None,
        [teacher.network() for teacher in teachers],
    )
    identity = _plain(
        {
            "data": digest(examples.fingerprints),
            "seed": settings.seed,
            "batch_size": settings.batch_size,
            "architecture": architecture.to_json(),
            "crop": settings.crop,
            "chip": settings.chip,
            **({"teachers": [teacher.fingerprint for teacher in teachers]} if teachers else {}),
        }
    )
    if training.restore(state, folder / CHECKPOINT, identity):
        console.note(f"going on after epoch {state.epoch} of {settings.epochs}")
    console.note(
        f"{len(train):,} faces to train on, {len(validation):,} to validate; {settings.epochs} epochs of {steps} "
        f"batches of {settings.batch_size} on {device}"
    )
    _train(state, settings, train, validation, folder, identity)
    earlier = _made_before([*teachers, *([initial] if initial else [])])
    made = _package(state, settings, examples, validation if len(validation) else train, device, earlier)
    console.note(
        f"model written to {folder}; next: agebatch evaluate {shlex.quote(settings.datasets[0])} "
        f"--model {shlex.quote(str(made.folder))}"
    )


def _teacher(named: str, settings: FitSettings) -> Package:
    teacher = package.load(named)
    chip, crop = _pixels(teacher)
    if (chip, crop) != (settings.chip, settings.crop):
        raise UsageError(
            f"--teacher {named}: it looks at {crop} of {chip} pixels, this network at {settings.crop} of "
            f"{settings.chip}",
            f"--chip {chip} --crop {crop}",
        )
    return teacher


def _pixels(model: Package) -> tuple[int, int]:
    return model.chip, int(model.card["input"]["crop"])


def _check(train: Examples, validation: Examples, settings: FitSettings) -> None:
    named = ", ".join(settings.datasets)
    if len(train) < FEWEST:
        raise InputError(
            f"{named}: {len(train)} examples to train on; {FEWEST} are the least", "name a larger folder"
        )
    if not (train.source == 0).any():
        raise InputError(f"{settings.datasets[0]}: no example to train on", "name a larger folder first")
    if len(train) < SMALL:
        console.warn(f"{named}: only {len(train)} examples; the model will know little beyond them")
    if not len(validation):
        console.warn("no example fell to the validation split; the model is calibrated on its training data")
    for what, labels in (("gender", train.genders), ("age", train.ages)):
        known = labels[labels[:, -1] > 0]
        if not len(known):
            console.warn(f"no {what} is labelled: the model's answers about it will mean nothing")
        elif len(np.unique(known[:, 0])) == 1:
            console.warn(f"all examples have the same {what}: the model can't learn to tell another")


def _train(
    state: Run,
    settings: FitSettings,
    train: Examples,
    validation: Examples,
    folder: Path,
    identity: dict[str, Any],
) -> None:
    from agebatch.model import training

    callbacks = []
    if settings.tensorboard:
        import keras

        callbacks.append(keras.callbacks.TensorBoard(settings.tensorboard))
    if state.epoch >= settings.epochs:
        console.note("the last epoch is done already")
        return
    left = (settings.epochs - state.epoch) * state.steps
    with console.progress(left, "batches") as bar:
        began = time.monotonic()
        for figures in training.epochs(state, settings, train, validation, bar.advance, callbacks):
            figures["seconds"] = round(time.monotonic() - began, 1)
            began = time.monotonic()
            training.save(state, folder / CHECKPOINT, identity)
            write_history(folder, state.history)
            console.note(_line(figures, settings.epochs))


def _line(figures: dict[str, float], epochs: int) -> str:
    said = (
        f"epoch {figures['epoch']:.0f}/{epochs} at {figures['side']:.0f} px: loss {figures['train_loss']:.3f}"
    )
    for what, mae, gender in (
        ("training", "train_age_age_error", "train_gender_gender_accuracy"),
        ("validation", "validation_mae", "validation_gender"),
    ):
        # Where nothing is labelled there is no figure.
        known = [f"MAE {figures[mae]:.2f} years"] if mae in figures else []
        known += [f"gender {figures[gender]:.1%}"] if gender in figures else []
        said += f"; {what} {', '.join(known)}" if known else ""
    return said


def _package(
    state: Run,
    settings: FitSettings,
    examples: Examples,
    fitted_on: Examples,
    device: str,
    earlier: list[str],
) -> Package:
    """Calibrate on `fitted_on`, measure on test, write the model folder."""
    from agebatch.model import calibration, card, evaluation
    from agebatch.model.answering import answering

    folder = Path(settings.output)
    weights = state.best or state.averaging.weights()
    described = {
        "name": folder.resolve().name,
        "version": __version__,
        "architecture": state.architecture.to_json(),
        "parameters": state.network.count_params(),
        "input": {
            "chip": settings.chip,
            "crop": settings.crop,
            "mirror": settings.mirror,
            "template": "utkface",
        },
        "calibration": calibration.Calibration().to_json(),
        "data": _data(settings, examples),
        "training": _training(state, settings, device) | {"earlier": earlier},
        "evaluation": [],
        "history": [],
    }
    # In memory until it is calibrated: a run that is killed here must not leave a worse model in the folder.
    raw = package.make(folder, weights, described)
    # In the precision that a scan uses, whatever training used.
    answer = answering(raw, device=settings.device)
    labels = evaluation.labels_of(fitted_on)
    ages, logits = answer(fitted_on.pixels)
    exact = np.where(labels.age_low == labels.age_high, labels.age_low, np.nan)
    fitted = calibration.fit(ages, logits, exact, labels.female)
    described["calibration"] = fitted.to_json()
    for number, argument in enumerate(settings.datasets):
        test = examples.take((examples.split == "test") & (examples.source == number))
        if len(test):
            answers = calibration.apply(fitted, *answer(test.pixels))
            measured = evaluation.evaluate(answers, test)
            described["evaluation"].append({"name": _public_name(argument), **measured})
    return package.save(folder, weights, described, card.write(described))


def _data(settings: FitSettings, examples: Examples) -> list[dict[str, Any]]:
    described = []
    for number, argument in enumerate(settings.datasets):
        path, framing = parse_dataset(argument)
        here = examples.source == number
        counts = {
            split: int((here & (examples.split == split)).sum()) for split in ("train", "validation", "test")
        }
        for split in ("train", "test"):
            chosen = np.flatnonzero(here & (examples.split == split))
            counts[f"{split}_digest"] = digest([examples.fingerprints[i] for i in chosen])
        marks = digest([examples.fingerprints[i] for i in np.flatnonzero(here)])
        described.append({"name": path.name, "framing": framing, **counts, "digest": marks})
    return described


def _training(state: Run, settings: FitSettings, device: str) -> dict[str, Any]:
    import keras
    import tensorflow

    per_epoch = state.steps * settings.batch_size
    names = " ".join(_public_name(argument) for argument in settings.datasets)
    return {
        "command": " ".join(
            ["agebatch fit", names, "-o", shlex.quote(Path(settings.output).name), *_options(settings)]
        ),
        "settings": {
            k: v for k, v in _plain(settings).items() if k not in ("datasets", "output", "init", "teachers")
        },
        "init": Path(settings.init).name if settings.init else None,
        "epochs": state.epoch,
        "samples": state.epoch * per_epoch,
        "hours": sum(figures.get("seconds", 0.0) for figures in state.history) / 3600,
        "device": f"{device}, {os.cpu_count()} cores",
        "versions": {
            "agebatch": __version__,
            "Keras": f"{keras.__version__} on {keras.backend.backend()}",
            "TensorFlow": tensorflow.__version__,
            "Python": platform.python_version(),
        },
    }


def _made_before(models: list[Package]) -> list[str]:
    """The commands that made these models, and those that made what they were made from, in order."""
    commands = []
    for model in models:
        told = model.card.get("training", {})
        commands += [*told.get("earlier", []), told.get("command", f"(unknown: {model.name})")]
    return list(dict.fromkeys(commands))


def _options(settings: FitSettings) -> list[str]:
    """What of the command line decides about the model, where it is not the default."""
    options = [
        f"--{name.replace('_', '-')} {value}"
        for name in _NAMED
        if (value := getattr(settings, name)) != getattr(FitSettings, name)
    ]
    options += [f"--teacher {shlex.quote(Path(teacher).name)}" for teacher in settings.teachers]
    if settings.init:
        options.append(f"--init {shlex.quote(Path(settings.init).name)}")
    if settings.mirror != FitSettings.mirror:
        options.append("--mirror" if settings.mirror else "--no-mirror")
    return options


def _public_name(argument: str) -> str:
    folder, framing = parse_dataset(argument)
    return shlex.quote(folder.name if framing == "utkface" else f"{folder.name}:{framing}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """Write the figures of each epoch as `history.csv` and, drawn, as `curves.png`."""
    names = sorted(
        {name for figures in history for name in figures}, key=lambda name: (name != "epoch", name)
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    with AtomicFile(folder / HISTORY) as file:
        file.file.write(text.getvalue().encode())
    _draw(folder / CURVES, history)


def _draw(path: Path, history: list[dict[str, float]]) -> None:
    from matplotlib.figure import Figure

    panels = (
        ("loss", (("train_loss", "training"),)),
        (
            "mean absolute error, years",
            (("train_age_age_error", "training"), ("validation_mae", "validation")),
        ),
        (
            "gender accuracy",
            (("train_gender_gender_accuracy", "training"), ("validation_gender", "validation")),
        ),
    )
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for (name, label), colour in zip(lines, ("#0072b2", "#d55e00"), strict=False):
            points = [(figures["epoch"], figures[name]) for figures in history if name in figures]
            axes.plot(*zip(*points, strict=True), color=colour, label=label) if points else None
        axes.set(title=title, xlabel="epoch")
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.lines) > 1:
            axes.legend(frameon=False)
    with AtomicFile(path) as file:
        figure.savefig(file.file, format="png", dpi=110)
