import io

import keras
import numpy as np
import pytest
from PIL import Image

from agebatch.model import augmentation, batches


def chips(count, side):
    """Smooth pictures of middling colours, as faces are: noise would lose nearly everything to JPEG."""
    noise = np.random.default_rng(0).integers(80, 176, (count, 9, 9, 3), np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in noise]
    )


def augmented(pixels, seed, side=34):
    drawn = augmentation.draw(seed, len(pixels), pixels.shape[1], side, side / pixels.shape[1])
    return keras.ops.convert_to_numpy(augmentation.augment(pixels, drawn, side))


def test_augmentation_is_the_same_for_the_same_seed_and_stays_in_range():
    pixels = chips(16, 40)
    first, again, other = (augmented(pixels, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (16, 34, 34, 3)
    assert first.min() >= 0
    assert first.max() <= 255
    assert np.abs(first - other).mean() > 5


def test_nothing_drawn_is_the_middle_of_the_chip():
    pixels = chips(8, 40)
    drawn = augmentation.draw([0], 8, 40, 34, 0.85)
    drawn |= {"transform": np.tile(np.float32([1, 0, 3, 0, 1, 3, 0, 0]), (8, 1)), "hole": np.zeros((8, 4))}
    drawn |= {"quality": np.full(1, 100.0), "blur": np.full(1, 1e-3), "brightness": np.zeros(8)}
    drawn |= {"saturation": np.ones(8), "contrast": np.ones(8), "tint": np.ones((8, 3))}
    same = augmentation.augment(pixels, {k: np.float32(v) for k, v in drawn.items()}, 34)
    np.testing.assert_allclose(same[1:], pixels[1:, 3:37, 3:37], atol=1e-2)
    assert np.abs(same[0] - pixels[0, 3:37, 3:37]).mean() < 3  # through JPEG at its best


def test_one_chip_in_eight_is_blurred_and_rectangles_are_grey():
    pixels = chips(16, 40)
    drawn = augmentation.draw([4], 16, 40, 34, 0.85)
    softer = {**drawn, "blur": np.full(2, 4.0, np.float32)}
    one, other = (keras.ops.convert_to_numpy(augmentation.augment(pixels, d, 34)) for d in (drawn, softer))
    changed = np.abs(one - other).max(axis=(1, 2, 3)) > 1
    np.testing.assert_array_equal(np.flatnonzero(changed), [14, 15])
    all_gone = {**drawn, "hole": np.tile(np.float32([0, 0, 1, 1]), (16, 1))}
    assert set(np.unique(augmentation.augment(pixels, all_gone, 34))) == {128.0}


@pytest.mark.parametrize("quality", [20, 50, 80])
def test_what_jpeg_does_is_what_the_library_does(quality):
    pixels = chips(4, 75)  # no multiple of the blocks' side

    def through_pillow(picture):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "jpeg", quality=quality)
        return np.asarray(Image.open(file), np.float32)

    real = np.stack([through_pillow(picture) for picture in pixels])
    ours = augmentation.compressed(pixels.astype(np.float32), np.full(4, quality, np.float32))
    lost = np.abs(real - pixels).mean()
    assert np.abs(keras.ops.convert_to_numpy(ours) - real).mean() < 0.6 * lost
    assert np.abs(keras.ops.convert_to_numpy(ours) - pixels).mean() == pytest.approx(lost, rel=0.25)


def test_a_batch_for_training_is_what_was_drawn_for_its_step():
    pixels = chips(12, 40)
    ages, genders = np.ones((12, 3), np.float32), np.ones((12, 2), np.float32)
    plan = np.arange(16).reshape(2, 8) % 12
    got = [batch for batch, _ in batches.training(pixels, ages, genders, plan, 34, 34 / 40, seed=7)]
    for step, batch in enumerate(got):
        np.testing.assert_allclose(batch, augmented(pixels[plan[step]], [7, step]), atol=1e-3)
