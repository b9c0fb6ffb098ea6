"""tf.data for training and for prediction, side by side, so that they can't drift apart.

Chips are uint8 (N, S, S, 3) in UTKFace's geometry. Training looks at a random square of each, about as large
as the middle that prediction looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from agebatch.model import augmentation


def training(
    chips: np.ndarray,
    ages: np.ndarray,
    genders: np.ndarray,
    plan: np.ndarray,
    side: int,
    crop: float,
    seed: int,
) -> tf.data.Dataset:
    """Batches for one epoch, augmented on the fly; the same for the same plan and seed.

    Args:
        chips: uint8 (N, S, S, 3), kept in memory once.
        ages: float32 (N, 3), low, high, weight.
        genders: float32 (N, 2), female, weight.
        plan: int (steps, batch), which chips make which batch.
        side: of the network's input in pixels.
        crop: side of the middle that prediction looks at, as a share of the chip's.
        seed: of the augmentation of this epoch.

    Returns:
        A dataset of (pixels float32 (batch, side, side, 3) 0..255, {"age", "gender"}). Where Keras does not compute
        with TensorFlow, the first is {"chips", **draws} instead: agebatch.model.augmentation is then done in front
        of the network, where the network is.
    """
    size, here = plan.shape[1], keras.backend.backend() == "tensorflow"
    geometry = size, chips.shape[1], side, crop
    shapes = {name: values.shape for name, values in augmentation.draw([0], *geometry).items()}

    def load(step: np.int64) -> list[np.ndarray]:
        chosen = plan[step]
        drawn = augmentation.draw([seed, int(step)], *geometry)
        return [chips[chosen], ages[chosen], genders[chosen], *drawn.values()]

    def batch(step: tf.Tensor) -> tuple[tf.Tensor | dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        loaded = tf.numpy_function(load, [step], [tf.uint8] + [tf.float32] * (2 + len(shapes)))
        pixels = tf.ensure_shape(loaded[0], (size, *chips.shape[1:]))
        labels = {
            "age": tf.ensure_shape(loaded[1], (size, 3)),
            "gender": tf.ensure_shape(loaded[2], (size, 2)),
        }
        drawn = {
            name: tf.ensure_shape(values, shape)
            for (name, shape), values in zip(shapes.items(), loaded[3:], strict=True)
        }
        given = augmentation.augment(pixels, drawn, side) if here else {"chips": pixels, **drawn}
        return given, labels

    steps = tf.data.Dataset.range(len(plan))
    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(4)


def prediction(chips: Callable[[], Iterator[np.ndarray]], side: int, batch: int) -> tf.data.Dataset:
    """Full batches of chips from many photographs, made ahead of the network.

    Args:
        chips: makes an iterator of uint8 (side, side, 3); it runs in a thread of tf.data.
        side: of the chips in pixels.
        batch: how many at once.

    Returns:
        A dataset of uint8 (batch, side, side, 3) and how many of them are real: the last batch is padded with
        black, since another shape would retrace the graph.
    """

    def full() -> Iterator[tuple[np.ndarray, int]]:
        pending = np.zeros((batch, side, side, 3), np.uint8)
        count = 0
        for chip in chips():
            pending[count] = chip
            count += 1
            if count == batch:
                yield pending.copy(), count
                count = 0
        if count:
            pending[count:] = 0
            yield pending.copy(), count

    signature = (
        tf.TensorSpec((batch, side, side, 3), tf.uint8),
        tf.TensorSpec((), tf.int32),
    )
    options = tf.data.Options()
    # There is nothing to tune here, and at the end the tuner's thread keeps us waiting for two seconds.
    options.autotune.enabled = False
    return tf.data.Dataset.from_generator(full, output_signature=signature).prefetch(2).with_options(options)
