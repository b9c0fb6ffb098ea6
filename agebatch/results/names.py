r"""File names as text in a report, reversibly: any name that a disk can hold comes back as it was.

A name that is valid UTF-8 stands in the report as it is, newlines and quotes included. A byte that is not
UTF-8 (Python's "surrogate escape") is written `\xNN`; so that this can be undone, a backslash that
is really in the name and happens to be followed by `xNN` is written `\x5c`.
"""

from __future__ import annotations

import re

_TO_ESCAPE = re.compile("[\udc80-\udcff]|\\\\(?=x[0-9a-fA-F]{2})")
_ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


def encode_path(path: str) -> str:
    r"""Path as text that is valid UTF-8; most paths are returned as they are.

    >>> encode_path("caf\udce9.jpg"), encode_path(r"a\b.jpg"), encode_path(r"a\xe9.jpg")
    ('caf\\xe9.jpg', 'a\\b.jpg', 'a\\x5cxe9.jpg')
    """
    if path.isascii() and "\\x" not in path:
        return path
    return _TO_ESCAPE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", path)


def decode_path(text: str) -> str:
    r"""Undo `encode_path`: the path as `os.fsdecode` gives it on a UTF-8 system.

    >>> decode_path("caf\\xe9.jpg") == "caf\udce9.jpg", decode_path(encode_path(r"\x5cxe9"))
    (True, '\\x5cxe9')
    """
    if "\\x" not in text:
        return text
    decoded = _ESCAPED.sub(_unescape, text)
    # Written under another locale, two escaped bytes may be one valid character here.
    return decoded.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def path_key(path: str) -> bytes:
    """What reports are sorted by: the path's bytes on disk."""
    return path.encode("utf-8", "surrogateescape")


def one_line(text: str) -> str:
    r"""Text of ours or of a decoder without control characters, marks and broken characters.

    >>> one_line("bad\x00 header\n"), one_line("größer")
    ('bad\\x00 header\\n', 'größer')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _unescape(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return "\\" if byte == 0x5C else chr(0xDC00 + byte)
