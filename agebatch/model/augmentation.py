"""How training varies faces as photographs vary: pose, framing, light, colour, sharpness, compression, occlusion.

What happens to each face is drawn on the host by `draw`, from nothing but a seed; `augment` then does it with
Keras' own operations. So it is the same on every backend, and can run beside the network on a CPU or in front of
it on a GPU.
"""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from keras import ops
from PIL import Image

ROTATION = 6.0  # degrees, standard deviation
SHIFT = 0.035  # of the chip's side, standard deviation
ZOOM = (
    0.91,
    1.13,
)  # side of the square that training looks at, as a share of the one that prediction looks at
FEW = 8  # one in so many chips is compressed, and one in so many blurred; batches are shuffled
QUALITY = (20, 80)  # of JPEG
BLUR = (0.006, 0.02)  # standard deviation as a share of the side: faces reduced to 0.7 to 0.3 of it
SATURATION, GREY = (0.6, 1.4), 0.05  # one in twenty loses all colour
CONTRAST, BRIGHTNESS, TINT = (0.7, 1.3), (-30, 30), (0.92, 1.08)
ERASED, HOLE = (
    0.25,
    (0.1, 0.45),
)  # share of the chips that lose a rectangle; its sides, as shares of the chip's

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue; ITU-R BT.601
BLOCK = 8  # pixels; the side of JPEG's blocks

Draws = dict[str, np.ndarray]  # float32 arrays, each with one row per chip that it is about


def draw(seed: list[int], count: int, chip: int, side: int, crop: float) -> Draws:
    """Draw what will happen to each chip of a batch.

    Args:
        seed: the same numbers draw the same.
        count: chips in the batch.
        chip: their side in pixels.
        side: of the result in pixels.
        crop: side of the middle that prediction looks at, as a share of the chip's.

    Returns:
        By name, for `augment`.
    """
    rng = np.random.default_rng(seed)
    few = max(1, count // FEW)
    size = rng.uniform(*HOLE, (count, 2)) * (rng.random((count, 1)) < ERASED)
    start = rng.random((count, 2)) * (1 - size)
    drawn = {
        "quality": rng.uniform(*QUALITY, few),
        "transform": _transforms(rng, count, chip, side, crop),
        "blur": rng.uniform(*BLUR, few) * side,
        "saturation": rng.uniform(*SATURATION, count) * (rng.random(count) >= GREY),
        "contrast": rng.uniform(*CONTRAST, count),
        "brightness": rng.uniform(*BRIGHTNESS, count),
        "tint": rng.uniform(*TINT, (count, 3)),
        "hole": np.concatenate([start, start + size], axis=1),
    }
    return {name: values.astype(np.float32) for name, values in drawn.items()}


def _transforms(rng: np.random.Generator, count: int, chip: int, side: int, crop: float) -> np.ndarray:
    """Mirror, turn, shift and scale in one: (count, 8), as Keras' `affine_transform` takes them."""
    angle = np.radians(rng.normal(0, ROTATION, count))
    zoom = rng.uniform(*ZOOM, count) * crop * chip / side
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    shift = rng.normal(0, SHIFT * chip, (count, 2))
    a, b = zoom * np.cos(angle), zoom * np.sin(angle)
    middle, half = (chip - 1) / 2, (side - 1) / 2
    # (x, y) of the result looks at (a·m·x - b·y + c, b·m·x + a·y + f) of the chip, both about their middles.
    columns = [a * mirror, -b, middle + shift[:, 0] - (a * mirror - b) * half]
    columns += [b * mirror, a, middle + shift[:, 1] - (b * mirror + a) * half]
    return np.stack([*columns, np.zeros(count), np.zeros(count)], axis=1)


def augment(chips: Any, drawn: dict[str, Any], side: int) -> Any:
    """Do to a batch what was drawn.

    Args:
        chips: (B, S, S, 3), 0..255, of any type.
        drawn: from `draw`, of the same count, chip and side.
        side: of the result in pixels, at most S.

    Returns:
        float32 (B, side, side, 3), 0..255.
    """
    pixels = ops.cast(chips, "float32")
    few = drawn["quality"].shape[0]
    pixels = ops.concatenate([compressed(pixels[:few], drawn["quality"]), pixels[few:]], axis=0)
    pixels = ops.image.affine_transform(
        pixels,
        drawn["transform"],
        interpolation="bilinear",
        fill_mode="constant",
        data_format="channels_last",
    )[:, :side, :side]
    last = pixels.shape[0] - few
    pixels = ops.concatenate([pixels[:last], _blurred(pixels[last:], drawn["blur"])], axis=0)
    return _erased(_recoloured(pixels, drawn), drawn["hole"])


def _blurred(pixels: Any, deviation: Any) -> Any:
    """Soften, as faces cut from small or unsharp photographs are: a Gaussian, as a matrix for each direction."""
    at = ops.arange(pixels.shape[1], dtype="float32")
    near = ops.exp(-0.5 * ops.square((at[None, :, None] - at[None, None, :]) / deviation[:, None, None]))
    near = near / ops.sum(near, axis=2, keepdims=True)
    return ops.einsum("nyv,nxu,nvuc->nyxc", near, near, pixels)


def _recoloured(pixels: Any, drawn: dict[str, Any]) -> Any:
    """Brightness, contrast, saturation and white balance."""
    saturation, contrast, brightness = (
        drawn[name][:, None, None, None] for name in ("saturation", "contrast", "brightness")
    )
    grey = ops.sum(pixels * LUMA, axis=-1, keepdims=True)
    pixels = grey + saturation * (pixels - grey)
    mean = ops.mean(pixels, axis=(1, 2, 3), keepdims=True)
    pixels = (pixels - mean) * contrast + mean + brightness
    return ops.clip(pixels * drawn["tint"][:, None, None, :], 0, 255)


def _erased(pixels: Any, hole: Any) -> Any:
    """Grey rectangles, as hands, microphones and edges of pictures cover faces."""
    side = pixels.shape[1]
    at = (ops.arange(side, dtype="float32") + 0.5) / side
    inside = ops.logical_and(at[None, :, None] >= hole[:, None, :2], at[None, :, None] < hole[:, None, 2:])
    covered = ops.logical_and(inside[:, :, None, 0], inside[:, None, :, 1])
    return ops.where(covered[..., None], 128.0, pixels)


def compressed(pixels: Any, quality: Any) -> Any:
    """Let pixels lose what JPEG loses: colour at half resolution, and fine detail of each block.

    What is left out are the rounding of pixels to whole numbers and the clipping to 0..255.

    Source: ITU-T T.81 (JPEG), with the quality scale of the Independent JPEG Group's library.

    Args:
        pixels: float32 (B, S, S, 3), 0..255.
        quality: (B,), 1..100.

    Returns:
        The same shape.
    """
    side = pixels.shape[1]
    more = -side % (2 * BLOCK)
    padded = ops.pad(pixels, [[0, 0], [0, more], [0, more], [0, 0]], mode="symmetric")
    luma = ops.sum(padded * LUMA, axis=-1, keepdims=True)
    chroma = ops.average_pool(padded - luma, 2, 2, data_format="channels_last")
    scale = ops.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None]
    steps = [ops.clip(ops.round(table * scale), 1, 255) for table in _tables()]
    luma = _quantised(luma - 128, steps[0]) + 128
    # Blue and red minus luma, in the units of Cb and Cr; green follows from luma and both.
    units = np.array([2 * (1 - LUMA[0]), 2 * (1 - LUMA[2])], np.float32)
    red_blue = _quantised(chroma[..., ::2] / units, steps[1]) * units
    red_blue = ops.image.resize(
        red_blue, luma.shape[1:3], interpolation="bilinear", data_format="channels_last"
    )
    red, blue = red_blue[..., :1], red_blue[..., 1:]
    green = -(LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
    return (luma + ops.concatenate([red, green, blue], axis=-1))[:, :side, :side]


def _quantised(planes: Any, steps: Any) -> Any:
    """Round the cosine transform of each block to whole steps, (B, 8, 8)."""
    _, side, _, channels = planes.shape
    count = side // BLOCK
    blocks = ops.reshape(planes, (-1, count, BLOCK, count, BLOCK, channels))
    waves = ops.einsum("ky,nbyaxc,lx->nbaklc", _cosines(), blocks, _cosines())
    flat = ops.reshape(waves, (-1, count * count, BLOCK * BLOCK, channels))
    steps = ops.reshape(steps, (-1, 1, BLOCK * BLOCK, 1))
    waves = ops.reshape(ops.round(flat / steps) * steps, (-1, count, count, BLOCK, BLOCK, channels))
    blocks = ops.einsum("ky,nbaklc,lx->nbyaxc", _cosines(), waves, _cosines())
    return ops.reshape(blocks, (-1, side, side, channels))


@functools.cache
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of 8 values."""
    k, x = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None, :]
    waves = np.cos((2 * x + 1) * k * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """JPEG's quantisation steps of luma and chroma at quality 50, (8, 8): those that the library writes."""
    file = io.BytesIO()
    Image.new("RGB", (BLOCK, BLOCK)).save(file, "jpeg", quality=50)
    tables = Image.open(file).quantization
    luma, chroma = (np.array(tables[i], np.float32).reshape(BLOCK, BLOCK) for i in (0, 1))
    return luma, chroma
