"""tf.data for training and for prediction, side by side, so that they can't drift apart.

Chips are uint8 (N, S, S, 3) in UTKFace's geometry. Training looks at a random square of each, about as large
as the middle that prediction looks at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

ROTATION = 6.0  # degrees, standard deviation
SHIFT = 0.035  # of the chip's side, standard deviation
ZOOM = (0.78, 0.97)  # side of the square that training looks at, as a share of the chip's
ERASED = 0.25  # share of the chips that lose a rectangle


def training(
    chips: np.ndarray, ages: np.ndarray, genders: np.ndarray, plan: np.ndarray, side: int, seed: int
) -> tf.data.Dataset:
    """Batches for one epoch, augmented on the fly; the same for the same plan and seed.

    Args:
        chips: uint8 (N, S, S, 3), kept in memory once.
        ages: float32 (N, 3), low, high, weight.
        genders: float32 (N, 2), female, weight.
        plan: int (steps, batch), which chips make which batch.
        side: of the network's input in pixels.
        seed: of the augmentation of this epoch.

    Returns:
        A dataset of (pixels float32 (batch, side, side, 3) 0..255, {"age", "gender"}).
    """

    def load(step: np.int64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chosen = plan[step]
        return chips[chosen], ages[chosen], genders[chosen]

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        pixels, age, gender = tf.numpy_function(load, [step], (tf.uint8, tf.float32, tf.float32))
        pixels = tf.ensure_shape(pixels, (plan.shape[1], *chips.shape[1:]))
        age, gender = tf.ensure_shape(age, (plan.shape[1], 3)), tf.ensure_shape(gender, (plan.shape[1], 2))
        return augment(pixels, side, tf.stack([tf.cast(seed, tf.int64), step])), {
            "age": age,
            "gender": gender,
        }

    steps = tf.data.Dataset.range(len(plan))
    return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(4)


def augment(chips: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
    """Vary a batch as photographs vary: pose, framing, light, colour, sharpness, compression, occlusion.

    Args:
        chips: uint8 (B, S, S, 3).
        side: of the result in pixels.
        seed: int64 (2,).

    Returns:
        float32 (B, side, side, 3), 0..255.
    """
    chips = _compressed(chips, tf.random.experimental.stateless_fold_in(seed, 1))
    pixels = _framed(tf.cast(chips, tf.float32), side, tf.random.experimental.stateless_fold_in(seed, 2))
    pixels = _blurred(pixels, tf.random.experimental.stateless_fold_in(seed, 3))
    pixels = _recoloured(pixels, tf.random.experimental.stateless_fold_in(seed, 4))
    return _erased(pixels, tf.random.experimental.stateless_fold_in(seed, 5))


def _uniform(seed: tf.Tensor, number: int, shape: list[int], low: float, high: float) -> tf.Tensor:
    seed = tf.random.experimental.stateless_fold_in(seed, number)
    return tf.random.stateless_uniform(shape, seed, low, high)


def _compressed(chips: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """JPEG artefacts for the first eighth: batches are shuffled, so that is a random eighth."""
    some = max(1, chips.shape[0] // 8)
    quality = tf.cast(_uniform(seed, 0, [some], 20, 80), tf.int32)

    def compress(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return tf.image.adjust_jpeg_quality(one[0], one[1])

    worse = tf.map_fn(compress, (chips[:some], quality), fn_output_signature=tf.uint8)
    return tf.concat([tf.ensure_shape(worse, (some, *chips.shape[1:])), chips[some:]], axis=0)


def _framed(pixels: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
    """Mirror, turn, shift and scale in one bilinear look-up."""
    count, source = pixels.shape[0], pixels.shape[1]
    angle = tf.random.stateless_normal([count], seed, 0, math.radians(ROTATION))
    zoom = _uniform(seed, 1, [count], *ZOOM) * source / side
    mirror = tf.where(_uniform(seed, 2, [count], 0, 1) < 0.5, -1.0, 1.0)
    shift = source * tf.random.stateless_normal(
        [count, 2], tf.random.experimental.stateless_fold_in(seed, 3), 0, SHIFT
    )
    a, b = zoom * tf.cos(angle), zoom * tf.sin(angle)
    middle, half = (source - 1) / 2, (side - 1) / 2
    # (x, y) of the result looks at (a·m·x - b·y + c, b·m·x + a·y + f) of the chip, both about their middles.
    columns = [a * mirror, -b, middle + shift[:, 0] - (a * mirror - b) * half]
    columns += [b * mirror, a, middle + shift[:, 1] - (b * mirror + a) * half]
    zero = tf.zeros_like(a)
    transforms = tf.stack([*columns, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _blurred(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Soften the second eighth, as faces cut from small or unsharp photographs are."""
    some, side = max(1, pixels.shape[0] // 8), pixels.shape[1]
    small = tf.cast(_uniform(seed, 0, [], 0.3, 0.7) * side, tf.int32)
    part = tf.image.resize(
        tf.image.resize(pixels[some : 2 * some], [small, small], antialias=True), [side, side]
    )
    return tf.concat([pixels[:some], part, pixels[2 * some :]], axis=0)


def _recoloured(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast, saturation and white balance; one in twenty turns grey."""
    shape = [pixels.shape[0], 1, 1, 1]
    saturation = _uniform(seed, 0, shape, 0.6, 1.4)
    saturation = tf.where(_uniform(seed, 1, shape, 0, 1) < 0.05, 0.0, saturation)
    grey = tf.reduce_sum(pixels * [0.299, 0.587, 0.114], axis=-1, keepdims=True)
    pixels = grey + saturation * (pixels - grey)
    mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    contrast, brightness = _uniform(seed, 2, shape, 0.7, 1.3), _uniform(seed, 3, shape, -30, 30)
    tint = _uniform(seed, 4, [shape[0], 1, 1, 3], 0.92, 1.08)
    return tf.clip_by_value(((pixels - mean) * contrast + mean + brightness) * tint, 0, 255)


def _erased(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Grey rectangles, as hands, microphones and edges of pictures cover faces."""
    count, side = pixels.shape[0], pixels.shape[1]
    size = _uniform(seed, 0, [count, 2], 0.1, 0.45)
    size = tf.where(_uniform(seed, 1, [count, 1], 0, 1) < ERASED, size, 0.0)
    start = _uniform(seed, 2, [count, 2], 0, 1) * (1 - size)
    at = (tf.range(side, dtype=tf.float32) + 0.5) / side
    inside = (at[None, :, None] >= start[:, None]) & (at[None, :, None] < (start + size)[:, None])
    hole = inside[:, :, None, 0] & inside[:, None, :, 1]
    return tf.where(hole[..., None], 128.0, pixels)


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
