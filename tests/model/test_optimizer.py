"""The optimiser: what its steps look like, and that they lead downhill."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from agebatch.model.optimizer import Muon, is_orthogonal, orthogonal
from agebatch.model.schedule import Trapezoid


def _matrix(rows, columns, values, seed=0):
    """A matrix with these singular values, and its singular vectors."""
    draw = np.random.default_rng(seed)
    left = np.linalg.qr(draw.normal(size=(rows, len(values))))[0]
    right = np.linalg.qr(draw.normal(size=(columns, len(values))))[0]
    return (left * values @ right.T).astype(np.float32), left, right


@pytest.mark.parametrize(("rows", "columns"), [(40, 12), (12, 40), (16, 16)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_singular_values_come_near_one_and_the_vectors_stay(rows, columns, scale):
    values = scale * np.linspace(0.1, 1.0, min(rows, columns))
    matrix, left, right = _matrix(rows, columns, values)
    step = keras.ops.convert_to_numpy(orthogonal(matrix))
    assert step.shape == matrix.shape
    turned = left.T @ step @ right  # diagonal where the vectors are the same ones
    found = np.diag(turned)
    assert found.min() > 0.6
    assert found.max() < 1.3
    np.testing.assert_allclose(turned - np.diag(found), 0, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(step), np.linalg.norm(found), rtol=1e-3)  # and nothing beside


def test_a_gradient_of_nothing_is_no_step():
    assert not keras.ops.convert_to_numpy(orthogonal(np.zeros((6, 4), np.float32))).any()


def test_kernels_behind_the_stem_take_orthogonal_steps_and_nothing_else_does():
    assert is_orthogonal((3, 3, 16, 32))
    assert is_orthogonal((1, 1, 16, 32))
    assert not is_orthogonal((5, 5, 3, 32))  # the stem
    assert not is_orthogonal((256, 101))  # a head
    assert not is_orthogonal((32,))  # normalisation and biases


def _model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.Conv2D(6, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1),
    ]
    return keras.Sequential(layers)


def test_each_step_lowers_the_loss_and_moves_every_weight():
    model = _model()
    model.compile(Muon(1e-2), "mse")
    draw = np.random.default_rng(0)
    pixels = draw.normal(size=(32, 8, 8, 3)).astype(np.float32)
    labels = pixels.mean((1, 2, 3))[:, None] + 1
    before = model.get_weights()
    losses = [model.evaluate(pixels, labels, verbose=0)]
    for _ in range(3):
        model.train_on_batch(pixels, labels)
        losses.append(model.evaluate(pixels, labels, verbose=0))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert all((now != then).any() for now, then in zip(model.get_weights(), before, strict=True))


def test_only_what_adam_moves_has_a_mean_of_squares():
    model = _model()
    optimizer = Muon()
    optimizer.build(model.trainable_variables)
    squared = {
        tuple(variable.shape): square is not None
        for variable, square in zip(model.trainable_variables, optimizer.squares, strict=True)
    }
    assert squared[3, 3, 3, 4]
    assert not squared[3, 3, 4, 6]
    assert squared[6, 1]


def test_its_configuration_makes_the_same_one():
    first = Muon(Trapezoid(2e-3, 100, 10, 0.3), weight_decay=0.05, momentum=0.9, betas=(0.8, 0.99))
    rate = first.get_config()["learning_rate"]
    assert rate["config"] == {"peak": 2e-3, "steps": 100, "warmup": 10, "cooldown": 0.3}
    with keras.saving.custom_object_scope({"Trapezoid": Trapezoid}):
        second = Muon.from_config(first.get_config())
    assert second.get_config() == first.get_config()
    assert (second.weight_decay, second.momentum, second.betas) == (0.05, 0.9, (0.8, 0.99))
    plain = Muon.from_config(Muon(0.01).get_config())
    assert float(plain.learning_rate) == pytest.approx(0.01)
