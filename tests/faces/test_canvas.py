from concurrent.futures import ThreadPoolExecutor

import numpy as np

from agebatch.faces.canvas import FRAME, OCTAVES, Memory, fill, layout, octaves_of

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
    memory = Memory()
    memory.array((3, 500, 500, 3))[:] = 7  # what an earlier batch left
    arrays = [[np.asarray(octave) for octave in octaves_of(picture)] for picture in pictures]
    canvas, corners, sizes = fill(arrays, memory)
    for index, expected in enumerate(pictures):
        for octave, picture in enumerate(octaves_of(expected)):
            pixels = np.asarray(picture)
            (y, x), (h, w) = corners[octave], sizes[index, octave]
            assert (h, w) == pixels.shape[:2]
            np.testing.assert_array_equal(canvas[index, y : y + h, x : x + w], pixels)
            np.testing.assert_array_equal(canvas[index, y - 1, x : x + w], pixels[0])
            np.testing.assert_array_equal(canvas[index, y : y + h, x + w], pixels[:, -1])


def test_octaves_average():
    pixels = RNG.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    mean = pixels.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    octaves = octaves_of(pixels)
    assert len(octaves) == OCTAVES
    assert np.abs(np.asarray(octaves[1]) - mean).max() <= 0.5
    assert [octave.size for octave in octaves_of(pixels[:5, :1])[:3]] == [(1, 5), (1, 3), (1, 2)]


def test_memory_is_kept_and_each_thread_has_its_own():
    memory = Memory()
    first = memory.array((4, 5, 3))
    again = memory.array((5, 4))
    assert np.shares_memory(first, again)
    assert memory.array((100, 100)).ctypes.data % 64 == 0
    with ThreadPoolExecutor(1) as other:
        assert not np.shares_memory(memory.array((4, 4)), other.submit(memory.array, (4, 4)).result())
