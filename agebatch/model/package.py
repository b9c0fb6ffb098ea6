"""A model folder: `card.json`, `weights.npz` and `README.md`, and nothing that could run.

The card says how to rebuild the network and how faces must be cut for it; the weights are plain arrays, read
with `allow_pickle=False`, and their hash must be the one in the card. No code, pickle or Lambda layer is loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agebatch.errors import ModelError
from agebatch.model.calibration import Calibration
from agebatch.results.atomic import AtomicFile, output_errors

if TYPE_CHECKING:
    import keras

FORMAT = 1  # of the folder; raised when an older agebatch could misread a newer folder
CARD, WEIGHTS, README = "card.json", "weights.npz", "README.md"


def models_dir() -> Path:
    """Where the shipped models are: in the wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_models"
    return inside if inside.is_dir() else package.parent / "models"


@dataclass(frozen=True)
class Package:
    """A model folder that was found whole."""

    folder: Path
    card: dict[str, Any]
    weights: bytes

    @property
    def name(self) -> str:
        """Name of the model, for rows and people."""
        return self.card["name"]

    @property
    def chip(self) -> int:
        """Side of the chips that it takes, in pixels."""
        return int(self.card["input"]["chip"])

    @property
    def calibration(self) -> Calibration:
        """What turns its raw answers into reported ones."""
        return Calibration(**self.card["calibration"])

    @property
    def fingerprint(self) -> str:
        """Changes when any answer could: hash of the weights and of everything that is applied to them."""
        applied = {key: self.card[key] for key in ("architecture", "input", "calibration")}
        text = json.dumps(applied, sort_keys=True) + self.card["files"][WEIGHTS]
        return hashlib.sha256(text.encode()).hexdigest()

    def network(self) -> keras.Model:
        """Rebuild the trainable network (loads TensorFlow).

        Raises:
            ModelError: the weights are not those of the architecture in the card.
        """
        from agebatch.model.network import Architecture, build  # noqa: PLC0415

        try:
            network = build(Architecture.from_json(self.card["architecture"]))
            with np.load(io.BytesIO(self.weights), allow_pickle=False) as arrays:
                values = [arrays[f"w{i}"].astype(np.float32) for i in range(len(arrays.files))]
            network.set_weights(values)
        except Exception as error:
            raise ModelError(
                f"{self.folder}: the weights don't fit the card: {error}", "take both from the same training"
            ) from error
        return network

    def inference(self) -> keras.Model:
        """Rebuild the network as it is used: chips in, probabilities out (loads TensorFlow)."""
        from agebatch.model.network import for_inference  # noqa: PLC0415

        given = self.card["input"]
        return for_inference(self.network(), self.chip, int(given["crop"]), bool(given["mirror"]))


def load(folder: str | Path | None = None) -> Package:
    """Open a model folder and check that it is whole; None: the shipped model.

    Raises:
        ModelError: it is missing, damaged, or made for another version.
    """
    folder = Path(folder) if folder else models_dir() / "age_gender"
    hint = "name a folder that `agebatch fit` made, or leave --model out for the shipped model"
    if not (folder / CARD).is_file():
        raise ModelError(f"{folder}: no {CARD} in it, so it is no model folder", hint)
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        weights = (folder / WEIGHTS).read_bytes()
        needed = [card[key] for key in ("name", "architecture", "input", "calibration", "files")]
        expected = card["files"][WEIGHTS]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} is damaged: {type(error).__name__}: {error}", hint) from error
    if card.get("format") != FORMAT or not all(needed):
        raise ModelError(
            f"{folder}: format {card.get('format')} of the card is not {FORMAT}", "update agebatch"
        )
    if hashlib.sha256(weights).hexdigest() != expected:
        raise ModelError(f"{folder}/{WEIGHTS} is not the file that the card describes", hint)
    return Package(folder, card, weights)


def save(folder: Path, weights: list[np.ndarray], card: dict[str, Any], readme: str) -> Package:
    """Write a model folder, the card last, so that a folder with a card is whole.

    Raises:
        OutputError: the folder can't be written.
    """
    made = make(folder, weights, card)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(made.card, indent=2, ensure_ascii=False) + "\n"
    for name, data in ((WEIGHTS, made.weights), (README, readme.encode()), (CARD, text.encode())):
        with AtomicFile(folder / name) as file:
            file.file.write(data)
    return made


def make(folder: Path, weights: list[np.ndarray], card: dict[str, Any]) -> Package:
    """Make what `save` writes, in memory only.

    Weights are kept in half precision: ages change by less than 0.01 years, and the file is half as big.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **{f"w{i}": value.astype(np.float16) for i, value in enumerate(weights)})
    data = buffer.getvalue()
    card = {"format": FORMAT, **card, "files": {WEIGHTS: hashlib.sha256(data).hexdigest()}}
    return Package(folder, card, data)
