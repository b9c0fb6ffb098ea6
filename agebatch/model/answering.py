"""A network's own answers for chips that are all in memory, as `fit` and `evaluate` have them."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from agebatch.model import devices
from agebatch.model.package import Package

BATCH = 64  # chips, where Keras predicts

Answering = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def answering(package: Package, device: str = "auto", precision: str = "auto") -> Answering:
    """Load a model, on any of Keras' backends.

    Args:
        package: from agebatch.model.package.
        device: see agebatch.model.devices.choose.
        precision: likewise.

    Returns:
        A function from chips, uint8 (N, chip, chip, 3), to age probabilities (N, 101) and gender logits (N,).
    """
    if keras.backend.backend() == "tensorflow":
        from agebatch.model.predictor import Predictor  # noqa: PLC0415 - its graph is TensorFlow's

        return Predictor(package, device=device, precision=precision).answers
    devices.choose(device, precision)
    network = package.inference()

    def answer(chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = predicted(network, chips)
        return given["age"].astype(np.float32), given["gender"][:, 0].astype(np.float32)

    return answer


def predicted(network: keras.Model, chips: np.ndarray) -> dict[str, np.ndarray]:
    """Keras' prediction, in whole batches: a smaller last one would be compiled for itself."""
    padded = np.concatenate([chips, np.zeros((-len(chips) % BATCH, *chips.shape[1:]), chips.dtype)])
    return {name: values[: len(chips)] for name, values in network.predict(padded, BATCH, verbose=0).items()}
