"""A picture as text that a terminal shows: Kitty's, iTerm2's and sixel graphics, else coloured half blocks."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

CELL = (8, 16)  # pixels of a character cell, about; graphics are scaled to cells by the terminal
_CHUNK = 4096  # bytes of base64 in one of Kitty's messages


def protocol(environment: Mapping[str, str]) -> str:
    """How the terminal shows pictures, by its environment: `kitty`, `iterm`, `sixel`, `blocks`, `blocks256` or `none`.

    Inside tmux and screen, which let no graphics through, only blocks are safe; without colour there is nothing
    to show.

    >>> protocol({"TERM": "xterm-kitty"}), protocol({"TERM": "xterm-256color"}), protocol({"TERM": "dumb"})
    ('kitty', 'blocks256', 'none')
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term in ("", "dumb"):
        return "none"
    if not (environment.get("TMUX") or term.startswith(("tmux", "screen"))):
        if environment.get("KITTY_WINDOW_ID") or "kitty" in term or program in ("ghostty", "Ghostty"):
            return "kitty"
        if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
            return "iterm"
        if "sixel" in term or term.startswith(("foot", "mlterm", "yaft")):
            return "sixel"
    if environment.get("NO_COLOR"):
        return "none"
    return "blocks" if environment.get("COLORTERM") in ("truecolor", "24bit") else "blocks256"


def paint(pixels: np.ndarray, how: str, columns: int, lines: int) -> str:
    """The picture as text for `how` (see `protocol`), within `columns` × `lines` cells, aspect kept.

    pixels: uint8 (H, W, 3) RGB. Never enlarged beyond a pixel a pixel; empty for `none`.
    """
    if how == "none" or columns < 2 or lines < 1:
        return ""
    picture = Image.fromarray(pixels)
    if how in ("blocks", "blocks256"):
        picture.thumbnail((columns, 2 * lines), Image.Resampling.LANCZOS)
        return _blocks(np.asarray(picture), _true if how == "blocks" else _of_256)
    picture.thumbnail((columns * CELL[0], lines * CELL[1]), Image.Resampling.LANCZOS)
    wide = max(1, round(picture.width / CELL[0]))
    return {"kitty": _kitty, "iterm": _iterm, "sixel": _sixel}[how](picture, wide)


def _true(pixel: np.ndarray) -> str:
    return f"2;{pixel[0]};{pixel[1]};{pixel[2]}"


def _of_256(pixel: np.ndarray) -> str:
    """The nearest of the palette's 216 colours, for terminals that know no more."""
    red, green, blue = (round(int(value) * 5 / 255) for value in pixel)
    return f"5;{16 + 36 * red + 6 * green + blue}"


def _blocks(pixels: np.ndarray, colour: Callable[[np.ndarray], str]) -> str:
    """Two pixels a character: `▀` in the colour of the upper one on the colour of the lower one."""
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = [f"\x1b[38;{colour(a)};48;{colour(b)}m▀" for a, b in zip(upper, lower, strict=True)]
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue())


def _kitty(picture: Image.Image, columns: int) -> str:
    data = _png(picture).decode()
    parts = [data[i : i + _CHUNK] for i in range(0, len(data), _CHUNK)]
    messages = []
    for i, part in enumerate(parts):
        more = int(i + 1 < len(parts))
        control = f"a=T,f=100,q=2,c={columns},m={more}" if i == 0 else f"m={more}"
        messages.append(f"\x1b_G{control};{part}\x1b\\")
    return "".join(messages) + "\n"


def _iterm(picture: Image.Image, columns: int) -> str:
    return f"\x1b]1337;File=inline=1;width={columns};preserveAspectRatio=1:{_png(picture).decode()}\x07\n"


def _sixel(picture: Image.Image, _columns: int) -> str:
    """Six rows of pixels at a time, one pass a colour, equal columns as a count."""
    reduced = picture.quantize(128, method=Image.Quantize.MEDIANCUT)
    palette, indices = reduced.getpalette() or [], np.asarray(reduced)
    colours = sorted({int(i) for i in np.unique(indices)})
    out = [f'\x1bPq"1;1;{picture.width};{picture.height}']
    for i in colours:
        red, green, blue = (round(value * 100 / 255) for value in palette[3 * i : 3 * i + 3])
        out.append(f"#{i};2;{red};{green};{blue}")
    weights = np.array([1, 2, 4, 8, 16, 32])
    for top in range(0, picture.height, 6):
        band = indices[top : top + 6]
        for i in colours:
            bits = ((band == i) * weights[: len(band), None]).sum(axis=0)
            if bits.any():
                out.append(f"#{i}{_runs(bits)}$")
        out.append("-")
    return "".join(out) + "\x1b\\\n"


def _runs(bits: np.ndarray) -> str:
    starts = np.flatnonzero(np.diff(bits, prepend=-1))
    lengths = np.diff(starts, append=len(bits))
    return "".join(
        f"!{n}{chr(63 + bits[s])}" if n > 3 else chr(63 + bits[s]) * n
        for s, n in zip(starts, lengths, strict=True)
    )
