"""Chips in, ages and genders out, in full batches through tf.data."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agebatch.model import batches, devices
from agebatch.model.calibration import apply
from agebatch.model.package import Package

BATCH_CPU = 32  # larger ones don't fit a small processor's cache and gain nothing
BATCH_GPU = 256


class Prediction(NamedTuple):
    """What is reported of one face."""

    age: float  # years
    low: float  # years; low to high holds the labelled age in 90 % of cases
    high: float
    female: float  # calibrated probability, 0..1
    spread: float  # standard deviation of the age distribution, years

    @property
    def gender(self) -> str:
        """The likelier one."""
        return "female" if self.female >= 0.5 else "male"

    @property
    def confidence(self) -> float:
        """Probability of that answer, 0.5..1."""
        return max(self.female, 1 - self.female)


class Predictor:
    """A loaded model.

    Args:
        package: from agebatch.model.package.load.
        batch_size: None: what suits the device.
        device: see agebatch.model.devices.choose.
        precision: likewise.
        threads: how many batches a CPU computes at a time; each GPU takes one.

    Raises:
        ModelError: the weights don't fit the card.
        UsageError: a GPU is asked for and there is none.
    """

    def __init__(
        self,
        package: Package,
        batch_size: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 1,
    ) -> None:
        self.device = devices.choose(device, precision, one_thread_each=threads > 1)
        self._lanes = devices.lanes(self.device, threads)
        self.package = package
        self.chip = package.chip
        self.batch_size = batch_size or (BATCH_GPU if self.device.startswith("gpu") else BATCH_CPU)
        self.traces = 0  # how often the graph was traced: once, or something changes its shape
        self._calibration = package.calibration
        network = package.inference()
        shape = (self.batch_size, self.chip, self.chip, 3)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
        def answer(chips: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            self.traces += 1
            answers = network(tf.cast(chips, tf.float32), training=False)
            return tf.cast(answers["age"], tf.float32), tf.cast(answers["gender"][:, 0], tf.float32)

        self._answer = _frozen(answer)

    def predict(self, chips: Iterable[np.ndarray]) -> Iterator[Prediction]:
        """Predict chips from anywhere, in their order.

        Args:
            chips: uint8 (chip, chip, 3) each. They are taken in a thread of tf.data, ahead of the network, so
                whatever makes them overlaps with it. An exception there is raised here.
        """
        for ages, logits in self.raw(chips):
            answers = apply(self._calibration, ages, logits)
            yield from map(
                Prediction,
                answers.age.tolist(),
                answers.low.tolist(),
                answers.high.tolist(),
                answers.female.tolist(),
                answers.spread.tolist(),
            )

    def answers(self, chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the network's own answers for an array of chips, uint8 (N, chip, chip, 3): (N, 101) and (N,)."""
        ages, logits = zip(*self.raw(chips), strict=True)
        return np.concatenate(ages), np.concatenate(logits)

    def raw(self, chips: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give the network's own answers by batch: age probabilities (N, 101) and gender logits (N,)."""
        source = _Carried(chips)
        dataset = batches.prediction(source, self.chip, self.batch_size)
        yield from self._lanes.map(self._computed, dataset)
        source.raise_if_failed()

    def _computed(self, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        pixels, count = batch
        ages, logits = self._answer(pixels)
        return ages.numpy()[: int(count)], logits.numpy()[: int(count)]


def _frozen(function):
    """Turn variables into constants, so that normalisation is folded into the convolutions."""
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415 - TensorFlow exports it nowhere else
        convert_variables_to_constants_v2,
    )

    return convert_variables_to_constants_v2(function.get_concrete_function())


class _Carried:
    """An iterable whose exception waits for the consumer: tf.data would turn it into a text without type."""

    def __init__(self, items: Iterable[np.ndarray]) -> None:
        self._items = items
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Iterator[np.ndarray]:
        try:
            with self._lock:
                yield from self._items
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error

    def raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error
