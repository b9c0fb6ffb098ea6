"""The network: which layers, which activations, how faces become an age distribution and a gender.

A small residual network in the manner of He et al. 2015 (arXiv 1512.03385): a 5×5 stem that halves the
picture, four stages that halve it again, each of residual blocks of two 3×3 convolutions with batch
normalisation and ReLU, global average pooling, dropout, and two linear heads. All of it through Keras 3's
own layers, so that it trains on any of Keras' backends.

The early stages are kept narrow and low in resolution because on a CPU their memory traffic, not their
arithmetic, sets the speed: this shape trains 1.4 times as many faces a second as one block of 32 channels at
half resolution would allow, at equal accuracy per sample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import layers

AGES = 101  # one bin per year, 0 to 100; older ones count as 100


@dataclass(frozen=True)
class Architecture:
    """What must be known to rebuild the network; stored in the model's card."""

    stem: int = 32  # channels
    widths: tuple[int, ...] = (48, 96, 192, 256)  # channels of each stage
    blocks: tuple[int, ...] = (1, 2, 2, 1)  # residual blocks of each stage
    dropout: float = 0.2

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Architecture:
        """Read it back from a card; lists become tuples."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})

    def to_json(self) -> dict[str, Any]:
        """For the card."""
        return asdict(self)


ARCHITECTURES = {
    "small": Architecture(),  # what two cores train in an evening
    "medium": Architecture(stem=32, widths=(64, 128, 256, 384), blocks=(1, 2, 3, 1)),
    "large": Architecture(stem=64, widths=(96, 192, 384, 512), blocks=(2, 3, 4, 2), dropout=0.3),
}


def build(architecture: Architecture) -> keras.Model:
    """Build the trainable network.

    Returns:
        A model from pixels (B, S, S, 3), 0..255, any side S from 32, to
        `age`: logits (B, 101) over years 0..100, and `gender`: logit (B, 1), positive for female.
    """
    pixels = keras.Input((None, None, 3), name="pixels")
    x = layers.Rescaling(1 / 64, offset=-2.0, name="normalise")(pixels)  # about zero mean, unit variance
    x = _convolve(x, architecture.stem, 5, 2, "stem")
    for stage, (width, blocks) in enumerate(zip(architecture.widths, architecture.blocks, strict=True)):
        for block in range(blocks):
            x = _residual(x, width, 2 if block == 0 else 1, f"stage{stage + 1}_block{block + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(architecture.dropout, name="dropout")(x)
    age = layers.Dense(AGES, dtype="float32", name="age")(x)
    gender = layers.Dense(1, dtype="float32", name="gender")(x)
    return keras.Model(pixels, {"age": age, "gender": gender}, name="age_gender")


def _convolve(x, width: int, kernel: int, stride: int, name: str, activation: str | None = "relu"):
    x = layers.Conv2D(
        width,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    x = layers.BatchNormalization(momentum=0.98, epsilon=1e-3, name=f"{name}_normalisation")(x)
    return layers.Activation(activation, name=f"{name}_activation")(x) if activation else x


def _residual(x, width: int, stride: int, name: str):
    shortcut = x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, stride, padding="same", name=f"{name}_reduce")(shortcut)
    if shortcut.shape[-1] != width:
        shortcut = _convolve(shortcut, width, 1, 1, f"{name}_shortcut", activation=None)
    x = _convolve(x, width, 3, stride, f"{name}_first")
    x = _convolve(x, width, 3, 1, f"{name}_second", activation=None)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_activation")(x)


def for_inference(network: keras.Model, chip: int, crop: int, mirror: bool) -> keras.Model:
    """Wrap a trained network for use: chips in, probabilities out.

    Args:
        network: from `build`.
        chip: side of the chips in pixels; they hold the whole of UTKFace's geometry.
        crop: side of the middle that the network looks at, in the chip's pixels.
        mirror: average the answers for the chip and its mirror image (probabilities of age, logits of gender).

    Returns:
        A model from pixels (B, chip, chip, 3) to `age`: probabilities (B, 101), `gender`: logit (B, 1).
    """
    pixels = keras.Input((chip, chip, 3), name="pixels")
    x = layers.CenterCrop(crop, crop, name="crop")(pixels) if crop != chip else pixels
    views = [x, keras.ops.flip(x, axis=2)] if mirror else [x]
    answers = [network(view, training=False) for view in views]
    ages = [keras.ops.softmax(answer["age"], axis=-1) for answer in answers]
    genders = [answer["gender"] for answer in answers]
    return keras.Model(
        pixels,
        {"age": sum(ages[1:], ages[0]) / len(ages), "gender": sum(genders[1:], genders[0]) / len(genders)},
        name="age_gender_inference",
    )
