import importlib.util
from pathlib import Path

import joblib
import numpy as np
import pytest

from agebatch.faces.networks import (
    Layer,
    ProposalWeights,
    Weights,
    finish,
    proposal_features,
    refine,
    score_windows,
    sparse_scores,
)

RNG = np.random.default_rng(4)


def layer(*shape):
    return [
        RNG.normal(0, 0.2, shape).astype(np.float32),
        RNG.normal(0, 0.2, shape[-1]).astype(np.float32),
        RNG.uniform(-1.2, 1.0, shape[-1]).astype(np.float32),
    ]


def prelu(x, slope):
    return np.where(x > 0, x, x * slope)


def conv(x, kernel, bias, slope):
    h, w = kernel.shape[:2]
    rows, columns = x.shape[0] - h + 1, x.shape[1] - w + 1
    patches = np.stack([x[i : i + rows, j : j + columns] for i in range(h) for j in range(w)], axis=2)
    out = np.einsum("yxkc,kco->yxo", patches, kernel.reshape(h * w, *kernel.shape[2:]))
    return prelu(out + bias, slope)


def pool(x, size):
    out = -(-x.shape[0] // 2) if size == 2 else -(-(x.shape[0] - size) // 2) + 1
    return np.array(
        [
            [x[2 * i : 2 * i + size, 2 * j : 2 * j + size].max(axis=(0, 1)) for j in range(out)]
            for i in range(out)
        ]
    )


def pool_same3(x):  # TensorFlow puts an odd row of padding at the end
    short = max(0, (-(-x.shape[0] // 2) - 1) * 2 + 3 - x.shape[0])
    low = short // 2
    padded = np.pad(x, [(low, short - low)] * 2 + [(0, 0)], constant_values=-np.inf)
    return pool(padded, 3)


@pytest.fixture
def published():
    """Arrays of a proposal network, and from pixels to what its third layer gives for each window."""
    arrays = [*layer(3, 3, 3, 10), *layer(3, 3, 10, 16), *layer(3, 3, 16, 32)]
    arrays += [*layer(1, 1, 32, 4)[:2], *layer(1, 1, 32, 2)[:2]]

    def third(pixels):
        x = pool(conv(pixels / 128, *arrays[:2], np.minimum(arrays[2], 1)), 2)
        return conv(conv(x, *arrays[3:6]), *arrays[6:9])

    return arrays, third


def test_windows_are_scored_as_the_published_layers_do(published):
    arrays, third = published
    weights = ProposalWeights.from_arrays(arrays)
    pixels = RNG.uniform(-127, 127, (2, 24, 24, 3)).astype(np.float32)
    features = proposal_features(pixels, weights)
    cells = np.array([(b, y, x) for b in (0, 1) for y in (0, 3, 6) for x in (1, 5)])
    x = np.stack([third(one) for one in pixels])
    logits = (x @ arrays[11].reshape(32, 2) + arrays[12]) @ [-1, 1]
    offsets = x @ arrays[9].reshape(32, 4) + arrays[10]
    answers = score_windows(features, cells, weights).numpy()
    np.testing.assert_allclose(answers[:, 4], logits[tuple(cells.T)], atol=1e-3)
    np.testing.assert_allclose(answers[:, :4], offsets[tuple(cells.T)], atol=1e-3)
    np.testing.assert_allclose(sparse_scores(features, weights).numpy(), logits[:, ::2, ::2], atol=1e-3)


def test_the_published_proposal_network_needs_no_more_channels():
    spec = importlib.util.find_spec("mtcnn")
    arrays = joblib.load(Path(spec.submodule_search_locations[0]) / "assets/weights/pnet.lz4")
    assert ProposalWeights.from_arrays(arrays).first.kernel.shape == (3, 3, 3, 16)


@pytest.mark.parametrize("largest", [1.0, 1.3])
def test_refinement_is_that_of_the_published_layers(largest):
    arrays = [*layer(3, 3, 3, 28), *layer(3, 3, 28, 48), *layer(2, 2, 48, 64), *layer(576, 128)]
    arrays += [*layer(128, 4)[:2], *layer(128, 2)[:2]]
    arrays[2][5] = largest
    weights = Weights.from_arrays(arrays, layers=4)
    pixels = RNG.uniform(-127, 127, (24, 24, 3)).astype(np.float32)
    x = pool_same3(conv(pixels / 128, *arrays[:3]))
    x = conv(pool(conv(x, *arrays[3:6]), 3), *arrays[6:9])
    x = prelu(x.swapaxes(0, 1).ravel() @ arrays[9] + arrays[10], arrays[11])
    logits = x @ arrays[14] + arrays[15]
    expected = [*(x @ arrays[12] + arrays[13]), logits[1] - logits[0]]
    np.testing.assert_allclose(refine(pixels[None], weights).numpy()[0], expected, rtol=1e-3, atol=2e-3)


def test_output_is_that_of_the_published_layers():
    arrays = [*layer(3, 3, 3, 32), *layer(3, 3, 32, 64), *layer(3, 3, 64, 64), *layer(2, 2, 64, 128)]
    arrays += [*layer(1152, 256), *layer(256, 4)[:2], *layer(256, 10)[:2], *layer(256, 2)[:2]]
    weights = Weights.from_arrays(arrays, layers=5)
    pixels = RNG.uniform(-127, 127, (48, 48, 3)).astype(np.float32)
    x = pool_same3(conv(pixels / 128, *arrays[:3]))
    x = pool(conv(x, *arrays[3:6]), 3)
    x = conv(pool(conv(x, *arrays[6:9]), 2), *arrays[9:12])
    x = prelu(x.swapaxes(0, 1).ravel() @ arrays[12] + arrays[13], arrays[14])
    logits = x @ arrays[19] + arrays[20]
    expected = [*(x @ arrays[15] + arrays[16]), *(x @ arrays[17] + arrays[18]), logits[1] - logits[0]]
    result = finish(pixels[None], weights).numpy()[0]
    assert result.shape == (15,)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-2)


def test_added_channels_stay_silent():
    weights = Weights.from_arrays(
        [*layer(3, 3, 3, 10), *layer(3, 3, 10, 16), *layer(1, 1, 16, 2)[:2], *layer(1, 1, 16, 2)[:2]],
        layers=2,
    )
    first, second = weights.layers
    assert first.kernel.shape == (3, 3, 3, 16)
    assert second.kernel.shape == (3, 3, 16, 16)
    assert not second.kernel[:, :, 10:].any()
    assert isinstance(first, Layer)
