"""Pictures small enough to live inside a page."""

from __future__ import annotations

import base64
import io
from typing import Any

SIDE = 80  # pixels; shown at 72 to 104 CSS pixels, about 1.6 kB each as WebP
QUALITY = 62


def data_uri(pixels: Any, side: int = SIDE, *, quality: int = QUALITY) -> str:
    """A picture as a `data:` URI (WebP), its longer side reduced to `side`, never enlarged.

    pixels: uint8 (H, W, 3) RGB or (H, W) grey. The picture's metadata does not travel along.
    """
    from PIL import Image  # noqa: PLC0415 - on the path of --help

    picture = Image.fromarray(pixels).convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def square(pixels: Any, box: tuple[float, float, float, float], margin: float = 0.25) -> Any:
    """The square around `box` (x, y, w, h in these pixels) with `margin` of its longer side all around.

    Moved inwards where it would leave the picture, and cut at its border where it is larger than it.
    pixels: uint8 (H, W, 3); returns a view of it, at least one pixel.
    """
    height, width = pixels.shape[:2]
    x, y, w, h = box
    side = max(1, min(round(max(w, h) * (1 + 2 * margin)), max(height, width)))
    left = min(max(0, round(x + w / 2 - side / 2)), max(0, width - side))
    top = min(max(0, round(y + h / 2 - side / 2)), max(0, height - side))
    return pixels[top : top + side, left : left + side]
