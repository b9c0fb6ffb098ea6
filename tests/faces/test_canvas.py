import numpy as np

from agebatch.faces.canvas import FRAME, OCTAVES, fill, halve, layout

RNG = np.random.default_rng(2)


def test_octaves_lie_apart_and_inside():
    for height, width in [(1, 1), (1, 500), (500, 1), (480, 640), (37, 91)]:
        size, corners = layout(height, width)
        used = np.zeros(size, int)
        for octave, (y, x) in enumerate(corners):
            h, w = -(-height // 2**octave), -(-width // 2**octave)
            used[y - FRAME : y + h + FRAME, x - FRAME : x + w + FRAME] += 1
            assert y + h + FRAME <= size[0]
            assert x + w + FRAME <= size[1]
        assert used.max() == 1


def test_pictures_and_their_halves_are_in_their_places():
    pictures = [RNG.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in [(40, 61), (33, 20)]]
    canvas, corners, sizes = fill(pictures)
    for index, expected in enumerate(pictures):
        pixels = expected
        for octave in range(OCTAVES):
            (y, x), (h, w) = corners[octave], sizes[index, octave]
            assert (h, w) == pixels.shape[:2]
            np.testing.assert_array_equal(canvas[index, y : y + h, x : x + w], pixels)
            np.testing.assert_array_equal(canvas[index, y - 1, x : x + w], pixels[0])
            np.testing.assert_array_equal(canvas[index, y : y + h, x + w], pixels[:, -1])
            pixels = halve(pixels)


def test_halving_averages():
    pixels = RNG.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    mean = pixels.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(halve(pixels) - mean).max() <= 0.5
    assert halve(pixels[:5, :1]).shape == (3, 1, 3)
