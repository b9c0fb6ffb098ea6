import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from agebatch.faces.terminal import paint, protocol


@pytest.fixture
def pixels():
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:30], picture[30:, :40] = (255, 0, 0), (0, 0, 255)
    return picture


@pytest.mark.parametrize(
    ("environment", "how"),
    [
        ({}, "none"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks256"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x", "KITTY_WINDOW_ID": "1"}, "blocks256"),
    ],
)
def test_the_environment_says_how(environment, how):
    assert protocol(environment) == how


def test_blocks_fill_at_most_the_cells_given(pixels):
    lines = paint(pixels, "blocks", 40, 10).splitlines()
    assert len(lines) <= 10 and all(line.count("▀") <= 40 for line in lines)
    assert lines[0].startswith("\x1b[38;2;255;0;0;48;2;255;0;0m▀") and lines[0].endswith("\x1b[0m")
    assert "\x1b[38;5;196;48;5;196m" in paint(pixels, "blocks256", 40, 10)


def test_kitty_gets_a_png_in_chunks():
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    messages = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", paint(noise, "kitty", 80, 24))
    assert len(messages) > 1 and all(len(part) <= 4096 for _, part in messages)
    assert [control[-3:] for control, _ in messages] == ["m=1"] * (len(messages) - 1) + ["m=0"]
    png = base64.b64decode("".join(part for _, part in messages))
    assert (np.asarray(Image.open(io.BytesIO(png))) == noise).all()


def test_iterm_gets_a_png(pixels):
    text = paint(pixels, "iterm", 80, 24)
    png = base64.b64decode(text.split(":")[1].split("\x07")[0])
    assert (np.asarray(Image.open(io.BytesIO(png))) == pixels).all()


def test_sixel_holds_every_pixel(pixels):
    assert (decode_sixel(paint(pixels, "sixel", 80, 24)) == pixels).all()


def test_nothing_where_nothing_can_be_shown(pixels):
    assert paint(pixels, "none", 80, 24) == "" and paint(pixels, "blocks", 0, 0) == ""


def decode_sixel(text):
    """The few features of DEC's format that are used: raster size, palette, colours, runs."""
    width, height = map(int, re.match(r'\x1bPq"1;1;(\d+);(\d+)', text).groups())
    picture, palette = np.zeros((height + 6, width, 3), np.uint8), {}
    x = y = colour = 0
    body = text[text.index("#") : text.rindex("\x1b")]
    for define, pick, run, run_bits, control, bits in re.findall(
        r"(#\d+;2;\d+;\d+;\d+)|#(\d+)|!(\d+)([?-~])|([$-])|([?-~])", body
    ):
        if define:
            number, _, *rgb = map(int, define[1:].split(";"))
            palette[number] = [round(value * 255 / 100) for value in rgb]
        elif pick:
            colour = int(pick)
        elif control:
            x, y = 0, y + 6 * (control == "-")
        else:
            length, value = int(run or 1), ord(run_bits or bits) - 63
            for bit in range(6):
                if value >> bit & 1:
                    picture[y + bit, x : x + length] = palette[colour]
            x += length
    return picture[:height]
