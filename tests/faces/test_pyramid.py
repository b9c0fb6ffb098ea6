import itertools

import numpy as np
import pytest

from agebatch.faces.canvas import octaves_of
from agebatch.faces.networks import WINDOW
from agebatch.faces.pyramid import layout, levels_of, pack

RNG = np.random.default_rng(6)
SHAPES = [(480, 640), (640, 480), (37, 300), (3, 500), (1, 1), (225, 300)]


def pyramid(shape, scale=0.6):
    return levels_of(octaves_of(RNG.integers(0, 255, (*shape, 3), dtype=np.uint8)), scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_go_down_to_one_window_in_even_steps(shape):
    levels = pyramid(shape)
    assert max(levels[0].pixels.shape[:2]) == max(1, round(max(shape) * 0.6))
    for one, following in itertools.pairwise(levels):
        assert max(following.pixels.shape[:2]) >= WINDOW
        if min(one.pixels.shape[:2]) > 20:
            assert following.scale[0] / one.scale[0] == pytest.approx(0.71, abs=0.02)


def test_a_level_shows_what_the_picture_shows():
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    levels = levels_of(octaves_of(np.broadcast_to(ramp[None, :, None], (100, 640, 3)).copy()), 0.6)
    for level in levels[:6]:
        at = (np.arange(level.pixels.shape[1]) + 0.5) / level.scale[1]
        inside = at < 640 - 1 / level.scale[1]
        np.testing.assert_allclose(level.pixels[0, inside, 0], at[inside] / 640 * 255, atol=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_lie_apart_inside_and_close_together(shape):
    room = [level.pixels.shape[:2] for level in pyramid(shape)]
    corners, (height, width) = layout(room)
    used = np.zeros((height, width), int)
    for (h, w), (y, x) in zip(room, corners, strict=True):
        assert y % 2 == x % 2 == 0
        used[y : y + max(h + 1, WINDOW), x : x + max(w + 1, WINDOW)] += 1
    assert used.max() == 1
    if min(shape) > 200:
        assert height * width < 1.3 * sum(h * w for h, w in room)


def test_every_window_of_every_level_is_looked_at_once():
    pictures = [pyramid(shape) for shape in SHAPES]
    packed = pack(pictures)
    for i, levels in enumerate(pictures):
        for k, (level, (y, x)) in enumerate(zip(levels, packed.corners.astype(int), strict=False)):
            h, w = level.pixels.shape[:2]
            np.testing.assert_array_equal(packed.pixels[i, y : y + h, x : x + w], level.pixels)
            rows, columns = np.nonzero(packed.owners[i] == k + 1)
            assert (rows.min() * 2, columns.min() * 2) == (y, x)
            # The last windows overhang by a pixel at most, and none begins later.
            for last, corner, side in ((rows.max(), y, h), (columns.max(), x, w)):
                assert max(0, side - WINDOW) <= last * 2 - corner <= max(0, side + 1 - WINDOW)
    grey = packed.pixels[1, : packed.pixels.shape[1], -1]
    assert (grey == 128).any(), "what no level covers"
