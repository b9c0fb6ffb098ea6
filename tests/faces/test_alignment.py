import numpy as np
import pytest
from PIL import Image

from agebatch.faces.alignment import TEMPLATE, cut, side_in_picture, similarity

RNG = np.random.default_rng(7)


def matrix(scale, degrees, shift):
    a = np.radians(degrees)
    linear = scale * np.array([(np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))])
    return np.column_stack([linear, shift])


def moved(points, m):
    return points @ m[:, :2].T + m[:, 2]


def smooth_chip(side=200):
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(7 * x + 3 * y), np.cos(9 * y - 2 * x), np.sin(11 * x * y + 1)]
    return np.uint8(np.stack(waves, axis=-1) * 90 + 128)


@pytest.mark.parametrize(("scale", "degrees"), [(0.5, 0), (3, 20), (1, -170), (40, 90)])
def test_similarity_finds_what_was_applied(scale, degrees):
    m = matrix(scale, degrees, (30, -12))
    np.testing.assert_allclose(similarity(TEMPLATE, moved(TEMPLATE, m)), m, atol=1e-9)


def test_similarity_never_mirrors():
    m = similarity(TEMPLATE, TEMPLATE * (-1, 1))
    assert np.linalg.det(m[:, :2]) >= 0


def test_similarity_is_the_least_squares_one():
    target = TEMPLATE + RNG.normal(0, 0.05, TEMPLATE.shape)
    best = similarity(TEMPLATE, target)
    error = ((moved(TEMPLATE, best) - target) ** 2).sum()
    for _ in range(50):
        turn, grow, *shift = RNG.normal(0, 0.01, 4)
        near = matrix(1 + grow, np.degrees(turn), shift)
        near = np.column_stack([near[:, :2] @ best[:, :2], near[:, :2] @ best[:, 2] + near[:, 2]])
        assert ((moved(TEMPLATE, near) - target) ** 2).sum() >= error


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), 1e6), np.full((5, 2), np.nan)])
def test_points_that_fall_together_are_refused(points):
    with pytest.raises(ValueError, match="no similarity"):
        similarity(points, TEMPLATE)
    with pytest.raises(ValueError, match="no similarity"):
        cut(Image.fromarray(smooth_chip()), points, 64)


def test_side_in_picture_is_the_scale():
    assert side_in_picture(moved(TEMPLATE, matrix(137.0, 33, (900, 12)))) == pytest.approx(137.0)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 3.0])
@pytest.mark.parametrize("degrees", [0, 20, -75])
def test_a_pasted_chip_comes_back(scale, degrees):
    chip = smooth_chip()
    canvas = int(200 * scale * 1.5) + 8
    m = matrix(scale, degrees, (0, 0))
    m[:, 2] = canvas / 2 - m[:, :2] @ (100, 100)
    back = np.linalg.inv(m[:, :2])
    data = np.column_stack([back, -back @ m[:, 2]]).ravel().tolist()
    picture = Image.fromarray(chip).transform((canvas, canvas), Image.Transform.AFFINE, data, Image.BICUBIC)
    result = cut(picture, moved(TEMPLATE * 200, m), 100)
    expected = np.asarray(Image.fromarray(chip).resize((100, 100), Image.BICUBIC))
    assert result.shape == (100, 100, 3)
    assert result.dtype == np.uint8
    difference = np.abs(result.astype(int) - expected)[4:-4, 4:-4]
    assert difference.mean() < 1.5
    assert difference.max() < 20


def test_reducing_is_anti_aliased():
    checkers = np.uint8(np.indices((400, 400)).sum(axis=0) % 2 * 255)
    result = cut(Image.fromarray(checkers).convert("RGB"), TEMPLATE * 400, 50)
    assert np.abs(result.astype(int) - 127).max() < 12


def test_outside_the_picture_is_black():
    white = Image.new("RGB", (100, 100), "white")
    half = cut(white, TEMPLATE * 100 - (50, 0), 100)
    assert (half[:, :49] == 0).all()
    assert (half[:, 51:] == 255).all()
    assert (cut(white, TEMPLATE * 100 + 5000, 100) == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 10_000), (10_000, 3)])
def test_pictures_of_any_shape_give_a_chip(size):
    assert cut(Image.new("RGB", size), TEMPLATE * 60, 48).shape == (48, 48, 3)


def test_one_pixel_of_a_face_far_larger_than_the_picture():
    chip = cut(Image.new("RGB", (20, 20), (200, 200, 200)), (TEMPLATE - 0.5) * 1e7, 32)
    assert chip.shape == (32, 32, 3)
