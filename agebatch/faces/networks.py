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


def proposal_features(pixels: tf.Tensor, weights: Weights, stride: int) -> tf.Tensor:
    """Run the body of the proposal network over one pyramid level.

    Args:
        pixels: (B, H, W, 3) difference from 127.5.
        weights: of P-Net.
        stride: 2 as published, or 4: every other window each way, for half the work.

    Returns:
        (B, (H - 12) // stride + 1, (W - 12) // stride + 1, 32); cell (i, j) sees the window at
        `stride * i, stride * j`.
    """
    first, second, third = weights.layers
    x = tf.nn.max_pool2d(_conv(pixels, first), 2, 2, "SAME")
    return _conv(_conv(x, second), third, stride // 2)


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
