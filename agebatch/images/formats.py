"""Which files are looked at (by suffix) and what a file really is (by its first bytes)."""

from __future__ import annotations

_NAMED = """
    .jpg .jpeg .jpe .jfif .jif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff
    .heic .heics .heif .heifs .hif .avif .avifs .jp2 .j2k
"""
SUFFIXES: frozenset[str] = frozenset(_NAMED.split())
"""Lower-case suffixes that make a file in a folder a candidate; whether it is a picture, its bytes decide."""

HEAD_BYTES = 4096
"""How many of a file's first bytes `kind` wants to see."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"FUJIFILMCCD-RAW", "a raw photograph (Fujifilm)"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\x1aE\xdf\xa3", "a video (Matroska)"),
    (b"%!PS", "a PostScript document"),
)
_CANON_RAW = "a raw photograph (Canon)"
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def kind(head: bytes) -> tuple[str | None, str]:
    """Say what a file is from its first bytes.

    Returns: (format, "") for one that is read here, else (None, what it is instead, for people).

    >>> kind(b"\\xff\\xd8\\xff\\xe0"), kind(b"%PDF-1.7"), kind(b"Dear diary, ")
    (('JPEG', ''), (None, 'a PDF document'), (None, 'plain text'))
    """
    for start, name in _STARTS:
        if head.startswith(start):
            return (
                (None, "a raw photograph (Canon)") if head[8:10] == b"CR" and name == "TIFF" else (name, "")
            )
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:4] == b"RIFF":
        return ("WEBP", "") if head[8:12] == b"WEBP" else (None, "audio or video (RIFF)")
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP", ""
    for start, name in _OTHERS:
        if head.startswith(start):
            return None, name
    return None, _unknown(head)


def _by_brand(head: bytes) -> tuple[str | None, str]:
    """HEIF, AVIF and MP4 share one container; the brands of the `ftyp` box tell them apart."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}
    if head[8:12] in _HEIF_BRANDS:
        return "HEIF", ""
    if brands & _AVIF_BRANDS:
        return "AVIF", ""
    if brands & _HEIF_BRANDS or head[8:12] in (b"mif1", b"msf1"):
        return "HEIF", ""
    return (
        (None, "a raw photograph (Canon)") if head[8:12] == b"crx " else (None, "a video (MP4 or QuickTime)")
    )


def _unknown(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps of a download that failed"
    if start.startswith((b"<svg", b"<?xml")):
        return "XML or SVG"
    printable = sum(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head)
    return (
        "plain text"
        if printable == len(head) and b"\x7f" not in head and _is_utf8(head)
        else "bytes of no known kind"
    )


def _is_utf8(head: bytes) -> bool:
    try:
        head[: len(head) - 3 if len(head) == HEAD_BYTES else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 6  # a character cut by the end of the head
    return True
