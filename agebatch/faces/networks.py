"""MTCNN's three networks as plain TensorFlow operations on constants, so that the graph folds and traces fast.

Each takes pixels as differences from 127.5; the division by 128 is folded into its first kernel. The order of
arrays in the weight files is kernel, bias, slope of each layer, then the heads (regression first, score last).

Source: Zhang et al. 2016, arXiv:1604.02878; weights of the `mtcnn` package (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

PIXEL_SCALE = 128.0
LANES = 16  # channels that the CPU's kernels work on together
WINDOW = 12  # pixels of a pyramid level that one proposal sees
STRIDE = 2  # pixels of a pyramid level between one proposal and the next
REFINED, FINAL = 24, 48  # side in pixels of the crops that the second and the third network see


@dataclass(frozen=True)
class Layer:
    """One convolution or dense layer: kernel (..., in, out), bias (out,) and the PReLU slope (out,) behind it."""

    kernel: np.ndarray
    bias: np.ndarray
    slope: np.ndarray | None = None


@dataclass(frozen=True)
class Weights:
    """The layers of one network, first to last, and its heads: regression (and points), then the score."""

    layers: tuple[Layer, ...]
    heads: tuple[Layer, ...]

    @classmethod
    def from_arrays(cls, arrays: Sequence[np.ndarray], layers: int) -> Weights:
        """Sort the arrays of one weight file; `layers` counts those with a slope."""
        body = [Layer(*arrays[3 * i : 3 * i + 2], arrays[3 * i + 2].ravel()) for i in range(layers)]
        rest = arrays[3 * layers :]
        heads = [Layer(*rest[i : i + 2]) for i in range(0, len(rest), 2)]
        body[0] = replace(body[0], kernel=body[0].kernel / np.float32(PIXEL_SCALE))
        for index in range(layers - 1):
            body[index], body[index + 1] = _widened(body[index], body[index + 1])
        # Two exclusive classes by softmax are one logit: the difference of theirs.
        score = heads[-1]
        heads[-1] = Layer(score.kernel[..., 1:] - score.kernel[..., :1], score.bias[1:] - score.bias[:1])
        return cls(tuple(body), tuple(heads))

    def heads_together(self) -> Layer:
        """All heads as one dense layer (in, out): fewer and larger multiplications."""
        kernels = [head.kernel.reshape(-1, head.kernel.shape[-1]) for head in self.heads]
        return Layer(np.concatenate(kernels, axis=1), np.concatenate([head.bias for head in self.heads]))


def _widened(layer: Layer, following: Layer) -> tuple[Layer, Layer]:
    # Channels in sixteens, the added ones always zero: the CPU's kernels for 10 channels take six times as long.
    short = -len(layer.bias) % LANES
    if not short or following.kernel.ndim != 4:
        return layer, following
    kernel = np.pad(layer.kernel, [(0, 0)] * 3 + [(0, short)])
    return (
        Layer(kernel, np.pad(layer.bias, (0, short)), np.pad(layer.slope, (0, short))),
        replace(following, kernel=np.pad(following.kernel, [(0, 0), (0, 0), (0, short), (0, 0)])),
    )


@dataclass(frozen=True)
class ProposalWeights:
    """The proposal network, arranged so that little is computed at full resolution and for hopeless windows.

    Its first activation comes after the pooling here, on a quarter of the values. Where a slope is positive, the
    activation grows with its input and the two can change places. Where it is negative, the largest of the activated
    values is the larger of max(x) and max(slope · x): the first layer gives both, the second as one more channel.
    """

    first: Layer  # without a slope
    mix: np.ndarray  # (C, C): what each channel is compared with
    second: Layer
    third: Layer
    heads: Layer  # dense: four box offsets, a logit

    @classmethod
    def from_arrays(cls, arrays: Sequence[np.ndarray]) -> ProposalWeights:
        """Arrange the arrays of the weight file."""
        first, second, third = (Layer(*arrays[i : i + 2], arrays[i + 2].ravel()) for i in (0, 3, 6))
        heads = Weights.from_arrays(arrays, layers=3).heads_together()
        negative = np.flatnonzero(first.slope < 0)
        channels, copies = len(first.slope), len(negative)
        lanes = -(-(channels + copies) // LANES) * LANES
        spare = lanes - channels - copies
        kernel = np.concatenate([first.kernel, first.kernel[..., negative] * first.slope[negative]], axis=-1)
        bias = np.concatenate([first.bias, first.bias[negative] * first.slope[negative]])
        mix = np.zeros((lanes, lanes), np.float32)
        # A slope above 1 is taken for 1: there is one, 1.01.
        mix[range(channels), range(channels)] = np.clip(first.slope, 0, 1)
        mix[channels + np.arange(copies), negative] = 1
        return cls(
            Layer(
                np.pad(kernel / np.float32(PIXEL_SCALE), [(0, 0)] * 3 + [(0, spare)]),
                np.pad(bias, (0, spare)),
            ),
            mix,
            replace(second, kernel=np.pad(second.kernel, [(0, 0)] * 2 + [(0, lanes - channels), (0, 0)])),
            third,
            heads,
        )


def proposal_features(pixels: tf.Tensor, weights: ProposalWeights) -> tf.Tensor:
    """Run the first two layers of the proposal network over one pyramid level.

    Args:
        pixels: (B, H, W, 3) difference from 127.5.
        weights: of P-Net.

    Returns:
        (B, (H - 12) // 2 + 3, (W - 12) // 2 + 3, 16): the window with its corner at pixel `2 * i, 2 * j` sees the
        3 × 3 cells from `i, j` on.
    """
    x = tf.nn.bias_add(tf.nn.conv2d(pixels, weights.first.kernel, 1, "VALID"), weights.first.bias)
    x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = tf.maximum(x, tf.nn.conv2d(x, weights.mix[None, None], 1, "VALID"))
    return _conv(x, weights.second)


def sparse_scores(features: tf.Tensor, weights: ProposalWeights) -> tf.Tensor:
    """Score every other window each way: (B, h, w, 16) of `proposal_features` to logits (B, ⌈(h-2)/2⌉, ⌈(w-2)/2⌉)."""
    x = _conv(features, weights.third, 2)
    return tf.tensordot(x, weights.heads.kernel[:, 4], 1) + weights.heads.bias[4]


def score_windows(features: tf.Tensor, cells: tf.Tensor, weights: ProposalWeights) -> tf.Tensor:
    """Look at single windows: int64 (N, 3) picture, row, column in `features` to (N, 5), four offsets and a logit."""
    shape = tf.shape(features, tf.int64)
    rows = tf.reshape(features, (-1, features.shape[-1]))
    corner = (cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2]
    steps = tf.reshape(tf.range(3, dtype=tf.int64)[:, None] * shape[2] + tf.range(3, dtype=tf.int64), (1, 9))
    kernel = weights.third.kernel.reshape(-1, weights.third.kernel.shape[-1])
    x = tf.reshape(tf.gather(rows, corner[:, None] + steps), (-1, len(kernel)))
    x = _prelu(tf.matmul(x, kernel) + weights.third.bias, weights.third.slope)
    return tf.matmul(x, weights.heads.kernel) + weights.heads.bias


def refine(crops: tf.Tensor, weights: Weights) -> tf.Tensor:
    """Run the second network: (N, 24, 24, 3) difference from 127.5 to (N, 5), four box offsets and a logit."""
    first, second, third, dense = weights.layers
    x = tf.nn.max_pool2d(_conv(crops, first), 3, 2, "SAME")
    # Slopes above 1 wait until after the pooling: they don't change which value is the largest.
    x = tf.minimum(x, x * np.maximum(first.slope, 1))
    x = tf.nn.max_pool2d(_conv(x, second), 3, 2, "VALID")
    return _dense(_conv(x, third), third, dense, weights.heads_together())


def finish(crops: tf.Tensor, weights: Weights) -> tf.Tensor:
    """Run the third network: (N, 48, 48, 3) difference from 127.5 to (N, 15).

    Columns: four box offsets, x of the five points, y of the five points, a logit.
    """
    first, second, third, fourth, dense = weights.layers
    x = tf.nn.max_pool2d(_conv(crops, first), 3, 2, "SAME")
    x = tf.nn.max_pool2d(_conv(x, second), 3, 2, "VALID")
    x = tf.nn.max_pool2d(_conv(x, third), 2, 2, "SAME")
    return _dense(_conv(x, fourth), fourth, dense, weights.heads_together())


def _dense(x: tf.Tensor, before: Layer, dense: Layer, heads: Layer) -> tf.Tensor:
    # The published networks flatten column by column; turning the kernel once saves turning every crop.
    channels, outputs = before.kernel.shape[-1], dense.kernel.shape[-1]
    side = round((dense.kernel.shape[0] / channels) ** 0.5)
    kernel = dense.kernel.reshape(side, side, channels, outputs).swapaxes(0, 1).reshape(-1, outputs)
    x = tf.reshape(x, (-1, side * side * channels))
    x = _prelu(tf.matmul(x, kernel) + dense.bias, dense.slope)
    return tf.matmul(x, heads.kernel) + heads.bias


def _conv(x: tf.Tensor, layer: Layer, stride: int = 1) -> tf.Tensor:
    x = tf.nn.bias_add(tf.nn.conv2d(x, layer.kernel, stride, "VALID"), layer.bias)
    return _prelu(x, layer.slope)


def _prelu(x: tf.Tensor, slope: np.ndarray) -> tf.Tensor:
    # Two passes over memory instead of the usual four; equal to PReLU where no slope exceeds 1, and linear there.
    return tf.maximum(x, x * np.minimum(slope, 1))
