"""Smaller Pillow pictures, spread evenly: one factor per axis leads from their pixels to the original's."""

from __future__ import annotations

from PIL import Image

_FILTER = Image.Resampling.BILINEAR  # Pillow widens it when reducing, so that nothing aliases


def within(image: Image.Image, side: int) -> Image.Image:
    """Shrink so that the longer side is at most `side`; a smaller picture stays as it is.

    >>> within(Image.new("RGB", (4000, 3000)), 640).size, within(Image.new("RGB", (40, 30)), 640).size
    ((640, 480), (40, 30))
    """
    factor = side / max(image.size)
    if factor >= 1:
        return image
    size = (max(round(image.width * factor), 1), max(round(image.height * factor), 1))
    return image.resize(size, _FILTER)


def about(image: Image.Image, side: int) -> Image.Image:
    """Shrink by the whole factor that leaves the longer side at `side` or more, and below twice that.

    >>> about(Image.new("RGB", (4000, 3000)), 640).size, about(Image.new("RGB", (1000, 750)), 640).size
    ((667, 500), (1000, 750))
    """
    return divided(image, max(image.size) // side)


def divided(image: Image.Image, factor: int) -> Image.Image:
    """Shrink by a whole factor (fast where it divides the size)."""
    if factor <= 1:
        return image
    if image.width % factor == 0 and image.height % factor == 0:
        return image.reduce(factor)
    size = (max(round(image.width / factor), 1), max(round(image.height / factor), 1))
    return image.resize(size, Image.Resampling.BOX)


def whole_as_chip(image: Image.Image, chip: int) -> Image.Image:
    """Make a picture that is all face into a chip: (chip, chip), black beside one that isn't square.

    >>> whole_as_chip(Image.new("RGB", (200, 200)), 96).size
    (96, 96)
    """
    longer = max(image.size)
    size = (max(round(image.width * chip / longer), 1), max(round(image.height * chip / longer), 1))
    resized = image if image.size == size else image.resize(size, _FILTER)
    if size == (chip, chip):
        return resized
    square = Image.new("RGB", (chip, chip))
    square.paste(resized, ((chip - size[0]) // 2, (chip - size[1]) // 2))
    return square
