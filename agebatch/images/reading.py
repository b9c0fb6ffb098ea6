"""One file → one upright 8-bit sRGB picture, or the reason why not. Nothing here raises for a bad file."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, UnidentifiedImageError

from agebatch.images.colours import to_srgb
from agebatch.images.formats import HEAD_BYTES, kind
from agebatch.images.opening import REASONS, one_line, open_regular, quiet, reason_of
from agebatch.results.schema import Status

try:
    from PIL import AvifImagePlugin
except ImportError:  # Pillow before 11.3
    AvifImagePlugin = None

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
if AvifImagePlugin is None and hasattr(pillow_heif, "register_avif_opener"):
    pillow_heif.register_avif_opener()
# Pillow's own limit only warns or raises at fixed sizes; `read` decides from the header for every format.
Image.MAX_IMAGE_PIXELS = None

TRUNCATED = "truncated, read in part"
DAMAGED = "damaged, read in part"

_READ_WHOLE = frozenset({"HEIF", "AVIF", "WEBP", "JPEG2000"})  # decoders that want all of the file in memory
_BLOCK = 16  # pixels; the largest unit that a JPEG is coded in
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Unread:
    """Why one photo could not be looked at; width and height (upright pixels) where the header told them."""

    status: Status
    message: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """An upright Pillow picture in mode RGB, possibly reduced, and the upright original's size in pixels."""

    image: Image.Image
    width: int
    height: int
    format: str
    message: str = ""

    @property
    def scale(self) -> float:
        """Pixels here per pixel of the original, 0..1."""
        return self.image.width / self.width


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Upright pixels, uint8 (H, W, 3) sRGB, possibly reduced; `width` and `height` are the original's."""

    pixels: np.ndarray
    width: int
    height: int
    format: str
    message: str = ""

    @property
    def scale(self) -> float:
        """Pixels here per pixel of the original, 0..1."""
        return self.pixels.shape[1] / self.width


def read(
    path: str | os.PathLike[str], *, side: int | None = None, max_megapixels: float = 200
) -> Picture | Unread:
    """Read one photograph: upright, 8-bit, sRGB, transparency on white, first frame or page.

    Args:
        path: any file; what it is, its bytes decide. Only a regular file is opened.
        side: the smallest longer side in pixels that will do; JPEGs are decoded at the smallest of 1/1,
            1/2, 1/4, 1/8 that has it. None reads every pixel. Other formats are always read in full.
        max_megapixels: a picture whose header says more is `too_large`, before memory is spent.

    Returns: the picture, with `message` where it could be read only in part; or the reason why not.
    """
    decoded = decode(path, side=side, max_megapixels=max_megapixels)
    if isinstance(decoded, Unread):
        return decoded
    try:
        pixels = np.asarray(decoded.image)
    except MemoryError:
        return Unread(Status.UNREADABLE, "not enough memory to decode it", decoded.width, decoded.height)
    return Picture(pixels, decoded.width, decoded.height, decoded.format, decoded.message)


def decode(
    path: str | os.PathLike[str], *, side: int | None = None, max_megapixels: float = 200
) -> Decoded | Unread:
    """As `read`, but the picture stays Pillow's, which is cheaper to resize and to crop."""
    try:
        with quiet(), open_regular(path) as file:
            return _decode(file, side, max_megapixels)
    except _Unreadable as error:
        return error.unread
    except MemoryError:
        return Unread(Status.UNREADABLE, "not enough memory to decode it")
    except OSError as error:
        return Unread(Status.UNREADABLE, reason_of(error, path))
    except Exception as error:  # ValueError for a NUL in a path, and what no one has met yet
        return Unread(Status.UNREADABLE, one_line(error))


class _Unreadable(Exception):
    """Carries an `Unread` out of nested calls."""

    def __init__(
        self, status: Status, message: str, size: tuple[int | None, int | None] = (None, None)
    ) -> None:
        super().__init__(message)
        self.unread = Unread(status, message, *size)


def _decode(file: BinaryIO, side: int | None, max_megapixels: float) -> Decoded:
    name = _recognised(file, max_megapixels)
    size: tuple[int | None, int | None] = (None, None)
    try:
        image = _open(file, name)
        size = _upright_size(image.size, _orientation(image))
        if size[0] * size[1] > max_megapixels * 1e6:
            megapixels = size[0] * size[1] / 1e6
            message = f"{megapixels:,.0f} megapixels, more than {max_megapixels:g}"
            raise _Unreadable(Status.TOO_LARGE, message, size)
        full = image.size
        reduction = _draft(image, side)
        image, message = _load(image, file, reduction)
        return _finish(image, message, name, full, reduction)
    except _Unreadable:
        raise
    except MemoryError:
        raise _Unreadable(Status.UNREADABLE, "not enough memory to decode it", size) from None
    except UnidentifiedImageError:
        raise _Unreadable(Status.UNREADABLE, f"damaged {name}: the header makes no sense", size) from None
    except Exception as error:  # decoders raise anything: SyntaxError, KeyError, struct.error, …
        if isinstance(error, OSError) and error.errno in REASONS:
            raise
        raise _Unreadable(Status.UNREADABLE, f"damaged {name}: {one_line(error)}", size) from None


def _recognised(file: BinaryIO, max_megapixels: float) -> str:
    """The format by content; raises for what is empty or isn't a picture that is read here."""
    head = file.read(HEAD_BYTES)
    if not head:
        raise _Unreadable(Status.UNREADABLE, "empty file")
    if not head.strip(b"\0"):
        raise _Unreadable(Status.UNREADABLE, "holds only zero bytes where a picture should begin")
    name, instead = kind(head)
    if name is None:
        raise _Unreadable(Status.UNSUPPORTED, f"not a picture that is read here, but {instead}")
    # No picture within the limit takes more bytes than its own pixels with 16 bits in four channels.
    if name in _READ_WHOLE and os.fstat(file.fileno()).st_size > max(max_megapixels * 8e6, 1 << 24):
        raise _Unreadable(Status.TOO_LARGE, f"a file of {os.fstat(file.fileno()).st_size / 1e9:,.1f} GB")
    file.seek(0)
    return name


def _open(file: BinaryIO, name: str) -> Image.Image:
    """Pillow's lazy picture: header only. `formats` keeps all other decoders out."""
    return Image.open(file, formats=["HEIF", "AVIF"] if name in ("HEIF", "AVIF") else [name])


def _draft(image: Image.Image, side: int | None) -> int:
    """Tell libjpeg to decode 1/8, 1/4 or 1/2 where that leaves `side`; returns the 8, 4, 2 or 1."""
    if side is None or image.format not in ("JPEG", "MPO"):
        return 1
    width, height = image.size
    wanted = next((r for r in (8, 4, 2) if -(-max(width, height) // r) >= side), 1)
    if wanted == 1:
        return 1
    image.draft(None, (max(width // wanted, 1), max(height // wanted, 1)))
    return next(r for r in (8, 4, 2, 1) if -(-width // r) == image.width and -(-height // r) == image.height)


def _load(image: Image.Image, file: BinaryIO, reduction: int) -> tuple[Image.Image, str]:
    """Decode; where that breaks off, keep what was decoded until then and say so."""
    try:
        image.load()
        return image, ""
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REASONS:
            raise
        message = TRUNCATED if "truncated" in str(error) else DAMAGED
        if image.format in ("JPEG", "MPO"):
            recovered = _load_with_end(file, image.format, reduction)
            if recovered is not None:
                return recovered, message
        # Pillow has written what it decoded into the picture; without tiles it won't start over.
        image.tile = []
        if image._im is None or _is_flat(image):
            raise
        return image, message


def _load_with_end(file: BinaryIO, name: str, reduction: int) -> Image.Image | None:
    """A cut JPEG with the end marker put back: libjpeg then gives all it has, also progressive ones."""
    file.seek(0)
    try:
        image = Image.open(io.BytesIO(file.read() + b"\xff\xd9"), formats=["JPEG"])
        if reduction > 1:
            image.draft(None, (max(image.width // reduction, 1), max(image.height // reduction, 1)))
        image.load()
    except MemoryError:
        raise
    except Exception:
        return None
    return None if _is_flat(image) else image


def _is_flat(image: Image.Image) -> bool:
    """True where all below the first row of blocks is one colour: nothing worth showing was decoded.

    libjpeg fills what is missing with grey, but makes up a first block or two from the end of the file.
    """
    image.load()
    if image.height > 2 * _BLOCK:
        image = image.crop((0, _BLOCK, image.width, image.height))
    extrema = image.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(low == high for low, high in bands)


def _finish(image: Image.Image, message: str, name: str, full: tuple[int, int], reduction: int) -> Decoded:
    """Colours, exact scale, upright."""
    orientation = _orientation(image)
    rgb = to_srgb(image, image.info.get("icc_profile"))
    if reduction == 1:
        full = image.size  # some decoders learn the true size only now
    elif full[0] % reduction or full[1] % reduction:
        # The last reduced column stands for less than `reduction` pixels. Spread evenly, so that one
        # factor leads from these pixels to the original's, also after a turn.
        size = (max(round(full[0] / reduction), 1), max(round(full[1] / reduction), 1))
        box = (0, 0, full[0] / reduction, full[1] / reduction)
        rgb = rgb.resize(size, Image.Resampling.BILINEAR, box=box)
    if orientation in _TURNS:
        rgb = rgb.transpose(_TURNS[orientation])
    width, height = _upright_size(full, orientation)
    return Decoded(rgb, width, height, name, message)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation still to be applied, 1..8 (pillow-heif and Pillow's TIFF apply it themselves)."""
    if image.format == "PNG" and image._im is None and "exif" not in image.info:
        return 1  # asking would decode the picture; asked again afterwards
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return int(value) if int(value) in _TURNS else 1
    except Exception:  # broken EXIF, or an orientation that is a tuple or text
        return 1


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


def use_one_thread() -> None:
    """Keep decoders from starting threads of their own: where processes decode, one is one core's worth."""
    if AvifImagePlugin is not None:
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
