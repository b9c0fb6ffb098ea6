"""`agebatch fit`: labelled folders in, a model folder out; the same command again goes on where it stopped."""

from __future__ import annotations

import csv
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from agebatch import console
from agebatch.datasets.examples import Examples, digest, load_examples
from agebatch.errors import InputError, OutputError
from agebatch.settings import FitSettings

FEWEST = 8  # examples, to train on at all
CHECKPOINT = "checkpoint.npz"
HISTORY = "history.csv"


def run(settings: FitSettings) -> None:
    """Train, calibrate and package a model.

    Raises:
        InputError: a data set is missing, or too small to train on.
        ModelError: the checkpoint in the output folder is damaged or belongs to another run.
        OutputError: the model folder can't be written.
    """
    folder = Path(settings.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}", "choose another -o") from error
    examples = load_examples(settings.datasets, settings.chip, settings.limit, console.warn)
    train, validation = (
        examples.take(examples.split == "train"),
        examples.take(examples.split == "validation"),
    )
    _check(train, settings)

    from agebatch.model import devices, training  # noqa: PLC0415 - TensorFlow, once the input is known to be good
    from agebatch.model.network import Architecture  # noqa: PLC0415

    devices.choose(settings.device, settings.precision)
    architecture = Architecture()
    steps = max(1, int((train.source == 0).sum()) // settings.batch_size)
    run = training.start(settings, architecture, steps, None)
    identity = {
        "data": digest(examples.fingerprints),
        "seed": settings.seed,
        "batch_size": settings.batch_size,
    }
    identity |= {"architecture": architecture.to_json(), "crop": settings.crop, "chip": settings.chip}
    if training.restore(run, folder / CHECKPOINT, _plain(identity)):
        console.note(f"going on after epoch {run.epoch} of {settings.epochs}")
    began = time.monotonic()
    for figures in training.epochs(run, settings, steps, train, validation, lambda *_: None, []):
        training.save(run, folder / CHECKPOINT, _plain(identity))
        _write_history(folder / HISTORY, run.history)
        print(f"{time.monotonic() - began:.0f}s {figures}", flush=True)
        began = time.monotonic()


def _check(train: Examples, settings: FitSettings) -> None:
    if len(train) < FEWEST:
        raise InputError(
            f"{', '.join(settings.datasets)}: {len(train)} examples to train on; {FEWEST} are the least",
            "name a larger folder",
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    names = sorted(
        {name for figures in history for name in figures}, key=lambda name: (name != "epoch", name)
    )
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    temporary.replace(path)
