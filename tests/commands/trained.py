"""Faces and a model for tests of `fit`, `evaluate` and `export`: small, and made in seconds."""

from __future__ import annotations

from pathlib import Path

from agebatch.settings import FitSettings
from tests.datasets.faces import utkface

EPOCHS = 3


def faces(folder: Path, count: int, genders: tuple[int, ...] = (0, 1)) -> Path:
    """A folder `faces` of so many UTKFace-named scenes."""
    names = [
        f"{5 + 7 * number % 80}_{genders[number % len(genders)]}_{number % 5}_201701{number:011}.jpg.chip.jpg"
        for number in range(count)
    ]
    return utkface(folder / "faces", names)


def settings(dataset: Path, output: Path, epochs: int = EPOCHS) -> FitSettings:
    """The settings of `agebatch fit DATASET -o OUTPUT --epochs N --batch-size 8 --device cpu`."""
    return FitSettings((str(dataset),), str(output), epochs=epochs, batch_size=8, device="cpu")
