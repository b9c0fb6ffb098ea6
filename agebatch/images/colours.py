"""Whatever a decoder gives (palette, CMYK, 16 bits, floats, alpha, wide gamut) to 8-bit sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels: white, as on a page."""

_DEEP_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
_ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a loaded Pillow picture of any mode to mode RGB in sRGB.

    Transparent pixels are composited on `BACKGROUND`. `profile` is the embedded ICC profile; one that is
    broken, or made for another kind of pixels, is ignored.
    """
    if image.mode in _DEEP_MODES:
        image = Image.fromarray(_eight_bits(np.asarray(image), image.mode))
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = _without_alpha(image)
    if image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    converted = _by_profile(image, profile)
    if converted is not None:
        return converted
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _lab_to_srgb())
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """(H, W) 16-bit, 32-bit or float grey to uint8.

    Sixteen bits have a fixed white (65535). Others carry no scale, so it is guessed from what they hold:
    0..1, 0..255, 0..65535, or else their own smallest and largest value.
    """
    if mode.startswith("I;16"):
        return (values >> 8).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1 and mode == "F":
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return ((values - low) * (255.0 / max(high - low, 1e-12)) + 0.5).clip(0, 255).astype(np.uint8)


def _without_alpha(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return rgba.convert("RGB")
    page = Image.new("RGB", rgba.size, BACKGROUND)
    page.paste(rgba, mask=alpha)
    return page


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture through its ICC profile, or None where there is nothing (or nothing sane) to do."""
    if not isinstance(profile, bytes) or len(profile) < 128:
        return None
    try:
        transform = _transform(profile, image.mode)
        return None if transform is None else ImageCms.applyTransform(image, transform)
    except Exception:  # a broken profile is worth less than the picture
        return None


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from `profile` to sRGB, or None where it changes no colour by more than 3 of 255.

    Looking at colours instead of the profile's name also recognises the many small variants of sRGB.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(
        source, _srgb(), mode, "RGB", ImageCms.Intent.PERCEPTUAL, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )
    if mode not in ("RGB", "L"):
        return transform
    levels = np.linspace(0, 255, 8).astype(np.uint8)
    if mode == "RGB":
        samples = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(8, 64, 3)
    else:
        samples = np.arange(256, dtype=np.uint8).reshape(8, 32)
    plain = np.asarray(Image.fromarray(samples).convert("RGB"), np.int16)
    changed = np.asarray(ImageCms.applyTransform(Image.fromarray(samples), transform), np.int16)
    return transform if np.abs(changed - plain).max() > 3 else None


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
