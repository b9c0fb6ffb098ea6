"""Pictures to label: smooth random scenes, no two alike, and what people do to photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps


def scene(seed: int, side: int = 128) -> Image.Image:
    """Blobs at three scales, so that small thumbnails have detail as faces have."""
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(random.integers(0, 256, (n, n, 3), np.uint8)).resize((side, side)), np.float32
        )
        for n in (4, 9, 20)
    ]
    return Image.fromarray((sum(layers) / 3).astype(np.uint8))


def changed(picture: Image.Image) -> dict[str, Image.Image]:
    """The same photograph, as it comes back from the web."""
    marked = picture.copy()
    ImageDraw.Draw(marked).text((30, 60), "STOCK PHOTO", fill="white")
    small = picture.resize((48, 48)).resize(picture.size)
    edge = picture.width // 40
    return {
        "mirrored": ImageOps.mirror(picture),
        "grey": picture.convert("L").convert("RGB"),
        "brighter": ImageEnhance.Brightness(picture).enhance(1.4),
        "flatter": ImageEnhance.Contrast(picture).enhance(0.5),
        "rescaled": small,
        "marked": marked,
        "cropped": picture.crop((edge, edge, *picture.size)).resize(picture.size),
    }


def utkface(folder: Path, names: list[str], first: int = 0) -> Path:
    """A folder of small scenes with these names."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        scene(first + number).save(file, "JPEG")
    return folder
