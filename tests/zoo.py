"""A zoo of odd and bad files, made by a script, with one expected line each. Nothing in it is a photograph.

Every readable animal shows the same scene (red, green / blue, yellow quarters) once it is upright, so one
test can look at all of them.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageDraw

from agebatch.images.reading import _TURNS
from agebatch.results.schema import Status

SIZE = (48, 32)
CORNERS = ((255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 0))
BACK = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""EXIF orientation to the one that undoes it."""


class Expected(NamedTuple):
    """What `read` must answer; `status` None is a picture of this upright size."""

    status: Status | None
    size: tuple[int, int] | None
    message: str
    """A fragment of the message; empty means no message."""
    coloured: bool = True
    """Whether the four quarters must be seen (False for grey, tiny and partly read ones)."""


OK = Expected(None, SIZE, "")
PLAIN = Expected(None, SIZE, "", coloured=False)


def unreadable(message: str, size: tuple[int, int] | None = None) -> Expected:
    return Expected(Status.UNREADABLE, size, message, coloured=False)


def unsupported(message: str) -> Expected:
    return Expected(Status.UNSUPPORTED, None, message, coloured=False)


def too_large(size: tuple[int, int]) -> Expected:
    return Expected(Status.TOO_LARGE, size, "megapixels", coloured=False)


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    """Red, green, blue, yellow quarters."""
    image = Image.new("RGB", size, CORNERS[0])
    draw = ImageDraw.Draw(image)
    width, height = size[0] // 2, size[1] // 2
    draw.rectangle((width, 0, size[0], height - 1), fill=CORNERS[1])
    draw.rectangle((0, height, width - 1, size[1]), fill=CORNERS[2])
    draw.rectangle((width, height, *size), fill=CORNERS[3])
    return image


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def turned(orientation: int, format: str, size: tuple[int, int] = SIZE) -> bytes:
    """The scene stored so that this EXIF orientation makes it upright."""
    image = scene(size)
    if orientation > 1:
        image = image.transpose(_TURNS[BACK[orientation]])
    if format == "TIFF":
        return encoded(image, format, tiffinfo={274: orientation})
    options = {"quality": 95} if format != "PNG" else {}
    return encoded(image, format, exif=_orientation(orientation), **options)


def _orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[274] = value
    return exif.tobytes()


def noisy(size: tuple[int, int] = (160, 120)) -> Image.Image:
    """The scene with noise, so that files have enough bytes to be cut in the middle."""
    noise = np.random.default_rng(1).integers(-40, 40, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(scene(size), np.int16) + noise).clip(0, 255).astype(np.uint8))


def png(size: tuple[int, int], depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow doesn't write. `rows` has a filter byte before each row."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def rgb16_png() -> bytes:
    pixels = (np.asarray(scene(), np.uint16) * 257).astype(">u2")
    return png(SIZE, 16, 2, b"".join(b"\0" + row.tobytes() for row in pixels))


def wide_gamut_profile() -> bytes:
    """A small ICC profile (Adobe RGB's primaries, gamma 2.2), by hand."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(78),
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.6097, 0.3111, 0.0195),
        b"gXYZ": xyz(0.2053, 0.6257, 0.0609),
        b"bXYZ": xyz(0.1492, 0.0632, 0.7446),
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0" + struct.pack(">IHxx", 1, 563))
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + table + data


def in_wide_gamut() -> Image.Image:
    """The scene's colours as numbers of that profile."""
    wide = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut_profile()))
    return ImageCms.profileToProfile(scene(), ImageCms.createProfile("sRGB"), wide)


def _frames() -> list[Image.Image]:
    return [scene(), Image.new("RGB", SIZE, "black"), Image.new("RGB", SIZE, "white")]


def _animated(format: str, **options: object) -> bytes:
    first, *rest = _frames()
    return encoded(first, format, save_all=True, append_images=rest, **options)


def _on_nothing() -> Image.Image:
    """The scene, opaque, beside nothing: the right half of a picture twice as wide is transparent."""
    image = Image.new("RGBA", (SIZE[0] * 2, SIZE[1]), (0, 0, 0, 0))
    image.paste(scene())
    return image


def _pictures() -> dict[str, tuple[bytes, Expected]]:
    rgb, deep = scene(), (np.asarray(scene().convert("L"), np.uint16) * 257)
    cmyk = encoded(rgb.convert("CMYK"), "JPEG", quality=95)
    paletted = rgb.quantize(16)
    wide = ((SIZE[0] * 2, SIZE[1]), "")
    broken_exif = b"Exif\0\0II*\0\xff\xff\xff\x7f"
    two_pages = io.BytesIO()
    rgb.save(two_pages, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    return {
        "progressive.jpg": (encoded(rgb, "JPEG", quality=95, progressive=True), OK),
        "grey.jpg": (encoded(rgb.convert("L"), "JPEG"), PLAIN),
        "cmyk adobe inverted.jpg": (cmyk, OK),
        "cmyk.tif": (encoded(rgb.convert("CMYK"), "TIFF"), OK),
        "two pictures.mpo": (_animated("MPO", quality=95), OK),
        "adobe wide gamut.jpg": (
            encoded(in_wide_gamut(), "JPEG", quality=95, icc_profile=wide_gamut_profile()),
            OK,
        ),
        "wide gamut.png": (encoded(in_wide_gamut(), "PNG", icc_profile=wide_gamut_profile()), OK),
        "broken profile.png": (encoded(rgb, "PNG", icc_profile=b"\xff" * 400), OK),
        "profile of grey on colours.png": (encoded(rgb, "PNG", icc_profile=bytes(128)), OK),
        "broken exif.jpg": (encoded(rgb, "JPEG", quality=95, exif=broken_exif), OK),
        "orientation 9.jpg": (encoded(rgb, "JPEG", quality=95, exif=_orientation(9)), OK),
        "sixteen bits.png": (rgb16_png(), OK),
        "sixteen bits grey.png": (encoded(Image.fromarray(deep), "PNG"), PLAIN),
        "palette.png": (encoded(paletted, "PNG"), OK),
        "palette with a hole.png": (encoded(paletted, "PNG", transparency=255), OK),
        "alpha.png": (encoded(_on_nothing(), "PNG"), Expected(None, *wide, coloured=False)),
        "grey alpha.png": (encoded(rgb.convert("LA"), "PNG"), PLAIN),
        "one bit.png": (encoded(rgb.convert("1"), "PNG"), PLAIN),
        "animated.png": (_animated("PNG"), OK),
        "animated.gif": (_animated("GIF"), OK),
        "animated.webp": (_animated("WEBP", lossless=True), OK),
        "alpha.webp": (encoded(_on_nothing(), "WEBP"), Expected(None, *wide, coloured=False)),
        "windows.bmp": (encoded(rgb, "BMP"), OK),
        "palette.bmp": (encoded(paletted, "BMP"), OK),
        "sixteen bits.tif": (encoded(Image.fromarray(deep), "TIFF"), PLAIN),
        "float.tif": (encoded(Image.fromarray(deep.astype(np.float32) / 65535), "TIFF"), PLAIN),
        "whole numbers.tif": (encoded(Image.fromarray(deep.astype(np.int32)), "TIFF"), PLAIN),
        "lab.tif": (encoded(_lab(rgb), "TIFF"), OK),
        "compressed.tif": (encoded(rgb, "TIFF", compression="tiff_lzw"), OK),
        "two pages.tif": (two_pages.getvalue(), OK),
        "archive.jp2": (encoded(rgb, "JPEG2000"), OK),
        "a jpeg.png": (encoded(rgb, "JPEG", quality=95), OK),
        "a png.jpg": (encoded(rgb, "PNG"), OK),
        "a webp.heic": (encoded(rgb, "WEBP", lossless=True), OK),
        "one pixel.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), Expected(None, (1, 1), "", False)),
        "very wide.png": (encoded(Image.new("L", (20000, 2)), "PNG"), Expected(None, (20000, 2), "", False)),
        "very tall.jpg": (encoded(Image.new("RGB", (1, 5000)), "JPEG"), Expected(None, (1, 5000), "", False)),
    }


def _lab(image: Image.Image) -> Image.Image:
    return ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )


def _turned_pictures() -> dict[str, tuple[bytes, Expected]]:
    formats = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "HEIF": "heic", "AVIF": "avif"}
    return {
        f"turned {orientation}.{suffix}": (turned(orientation, format), OK)
        for format, suffix in formats.items()
        for orientation in range(1, 9)
    }


def _damaged() -> dict[str, tuple[bytes, Expected]]:
    jpeg, progressive = encoded(noisy(), "JPEG"), encoded(noisy(), "JPEG", progressive=True)
    noisy_png, bmp, tiff = (encoded(noisy(), name) for name in ("PNG", "BMP", "TIFF"))
    part = Expected(None, (160, 120), "truncated, read in part", coloured=False)
    heic, webp = encoded(noisy(), "HEIF"), encoded(noisy(), "WEBP")
    huge = struct.pack("<HH", 60000, 60000)
    gif = b"GIF89a" + huge + b"\0\0\0,\0\0\0\0" + huge + b"\0\x02\0;"
    return {
        "cut at nine tenths.jpg": (jpeg[: len(jpeg) * 9 // 10], part),
        "cut at a half.jpg": (jpeg[: len(jpeg) // 2], part),
        "cut at a half, progressive.jpg": (progressive[: len(progressive) // 2], part),
        "cut in the header.jpg": (jpeg[:200], unreadable("damaged JPEG")),
        "cut after two bytes.jpg": (jpeg[:2], unreadable("damaged JPEG")),
        "cut at a half.png": (noisy_png[: len(noisy_png) // 2], part),
        "cut at a half.bmp": (bmp[: len(bmp) // 2], part),
        "cut at a half.tif": (tiff[: len(tiff) // 2], part),
        "cut at a half.webp": (webp[: len(webp) // 2], unreadable("damaged WEBP")),
        "cut at a half.heic": (heic[: len(heic) // 2], unreadable("damaged HEIF", (160, 120))),
        "zero bytes.jpg": (b"", unreadable("empty file")),
        "only zeros.jpg": (bytes(9000), unreadable("only zero bytes")),
        "text.jpg": (b"Dear diary,\ntoday I was renamed to .jpg\n", unsupported("plain text")),
        "web page.jpg": (b"<!DOCTYPE html><title>404</title>", unsupported("a web page")),
        "document.jpg": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", unsupported("a PDF document")),
        "archive.png": (b"PK\x03\x04" + bytes(60), unsupported("a ZIP archive")),
        "video.heic": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", unsupported("a video")),
        "noise.jpg": (np.random.default_rng(2).bytes(5000), unsupported("no known kind")),
        "bomb.png": (png((60000, 60000), 8, 2, b"\0" * 99), too_large((60000, 60000))),
        "bomb.gif": (gif, too_large((60000, 60000))),
        "bomb.bmp": (
            b"BM" + struct.pack("<IIIIiiHHIIiiII", 999, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
            too_large((60000, 60000)),
        ),
        "bomb.jpg": (
            jpeg.replace(struct.pack(">HH", 120, 160), struct.pack(">HH", 65000, 65000), 1),
            too_large((65000, 65000)),
        ),
    }


def _named() -> dict[str, tuple[bytes, Expected]]:
    data = encoded(scene(), "JPEG", quality=95)
    names = [
        "été à 日本 🙂.jpg",
        os.fsdecode(b"caf\xe9 latin-1.jpg"),
        "two\nlines.jpg",
        "carriage\rreturn.jpg",
        'quotes " and, commas; tab\t.jpg',
        "=cmd().jpg",
        "-rf.jpg",
        "right to \u202e gpj.exe left.jpg",
        "red \x1b[31m alarm \x07.jpg",
        "<script>alert(1)</script>.jpg".replace("/", "∕"),
        "\\x41 backslash.jpg",
        "x" * 251 + ".jpg",
        "UPPER.JPG",
        "  spaces  .jpg",
    ]
    return {name: (data, OK) for name in names}


def _not_files(folder: Path) -> dict[str, Expected]:
    """What only looks like a file, or can't be opened."""
    data = encoded(scene(), "JPEG", quality=95)
    locked = folder / "locked.jpg"
    locked.write_bytes(data)
    locked.chmod(0)
    (folder / "a folder.jpg").mkdir()
    (folder / "broken link.jpg").symlink_to("nowhere.jpg")
    (folder / "link to itself.jpg").symlink_to("link to itself.jpg")
    (folder / "link.jpg").symlink_to("UPPER.JPG")
    os.mkfifo(folder / "pipe.jpg")
    os.mknod(folder / "socket.jpg", stat.S_IFSOCK | 0o600)
    return {
        "locked.jpg": OK if os.access(locked, os.R_OK) else unreadable("permission denied"),  # root reads all
        "a folder.jpg": unreadable("not a regular file"),
        "broken link.jpg": unreadable("broken link"),
        "link to itself.jpg": unreadable("link"),
        "link.jpg": OK,
        "pipe.jpg": unreadable("not a regular file"),
        "socket.jpg": unreadable("not a regular file"),
    }


NEVER_FOUND = frozenset({"a folder.jpg", "pipe.jpg", "socket.jpg"})
"""What discovery reports as skipped instead of giving it to the reader."""


def make_zoo(folder: Path) -> dict[str, Expected]:
    """Fill `folder`; returns what to expect for each name in it."""
    makers: tuple[Callable[[], dict[str, tuple[bytes, Expected]]], ...] = (
        _pictures,
        _turned_pictures,
        _damaged,
        _named,
    )
    expected: dict[str, Expected] = {}
    for maker in makers:
        for name, (data, line) in maker().items():
            (folder / name).write_bytes(data)
            expected[name] = line
    return expected | _not_files(folder)
