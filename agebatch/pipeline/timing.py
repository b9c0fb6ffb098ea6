"""Photographs to measure with, and a decoder that does nothing else: what `agebatch bench` compares a scan with."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from agebatch.images import reading
from agebatch.images.reading import Decoded, Unread

FACE = Path(__file__).with_name("bench_face.jpg")  # Eileen Collins, NASA, public domain
SIZES = {"0.5 MP": (816, 612), "2 MP": (1632, 1224), "12 MP": (4000, 3000)}
NOISE = 9.0  # standard deviation of brightness: 12 megapixels become files of about 3 MB, as cameras write
_KINDS = 6  # different pictures of a size; the other files are copies of them
_TILE = 500  # pixels


def decode_only(
    path: str | os.PathLike[str], *, side: int | None = None, max_megapixels: float = 200
) -> Decoded | Unread:
    """Decode as a scan does, at the same reduction, and keep one pixel: the ceiling of any scan."""
    decoded = reading.decode(path, side=side, max_megapixels=max_megapixels)
    if isinstance(decoded, Unread):
        return decoded
    return replace(decoded, image=Image.new("RGB", (1, 1)))


def make_photographs(folder: Path, size: tuple[int, int], count: int) -> None:
    """Write `count` JPEGs of `size` (width, height) with sensor noise and one to three faces each."""
    folder.mkdir(parents=True)
    kinds = [_photograph(np.random.default_rng(seed), size, 1 + seed % 3) for seed in range(_KINDS)]
    for index in range(count):
        (folder / f"{index:04}.jpg").write_bytes(kinds[index % _KINDS])


def _photograph(random: np.random.Generator, size: tuple[int, int], faces: int) -> bytes:
    width, height = size
    coarse = random.integers(60, 190, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    with Image.open(FACE) as file:
        face = file.convert("RGB")
    for index in range(faces):
        side = int(height * random.uniform(0.2, 0.3))
        left = (width * index) // 3 + int(random.uniform(0, width / 3 - side))
        picture.paste(
            face.resize((side, side), Image.Resampling.BICUBIC),
            (left, int(random.uniform(0, height - side))),
        )
    noise = random.normal(0, NOISE, (_TILE, _TILE, 1)).astype(np.int16)
    noise = np.tile(noise, (-(-height // _TILE), -(-width // _TILE), 1))[:height, :width]
    noisy = np.clip(np.asarray(picture, np.int16) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=85)
    return stream.getvalue()
