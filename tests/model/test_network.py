"""Network, losses and training through Keras: one file, since loading TensorFlow is what costs."""

import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from agebatch.datasets.examples import Examples
from agebatch.datasets.labelled import Sample
from agebatch.errors import ModelError
from agebatch.model import batches, losses, training
from agebatch.model.network import AGES, Architecture, build, for_inference
from agebatch.model.schedule import Trapezoid
from agebatch.settings import FitSettings

TINY = Architecture(stem=4, widths=(4, 8), blocks=(1, 1))
SETTINGS = FitSettings(
    datasets=("x",), output="y", epochs=3, batch_size=8, chip=40, crop=34, coarse=32, coarse_share=0.3
)


def _examples(count=32, seed=0):
    draw = np.random.default_rng(seed)
    ages = draw.integers(1, 90, count).astype(np.float32)
    female = draw.integers(0, 2, count).astype(np.float32)
    pixels = draw.integers(0, 60, (count, 40, 40, 3)).astype(np.uint8)
    pixels += (2 * ages).astype(np.uint8)[:, None, None, None]  # older is brighter
    return Examples(
        pixels,
        np.stack([ages, ages, np.ones(count)], 1).astype(np.float32),
        np.stack([female, np.ones(count)], 1).astype(np.float32),
        (np.arange(count) % 3 == 0).astype(int),
        np.array(["train"] * count),
        [Sample(f"{i}.jpg", float(a), float(a), None) for i, a in enumerate(ages)],
        [f"{i}" for i in range(count)],
    )


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build(TINY)


def test_network_takes_any_side_and_gives_a_distribution_and_a_logit(network):
    for side in (32, 48):
        answer = network(np.zeros((2, side, side, 3), np.float32))
        assert answer["age"].shape == (2, AGES)
        assert answer["gender"].shape == (2, 1)


def test_architecture_survives_json():
    assert Architecture.from_json(dataclasses.asdict(TINY)) == TINY
    assert Architecture.from_json({**TINY.to_json(), "widths": [4, 8]}) == TINY


def test_inference_gives_the_same_for_a_face_and_its_mirror_image_and_in_any_batch(network):
    inference = for_inference(network, 40, 34, mirror=True)
    chips = np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3)).astype(np.float32)
    whole = inference(chips)
    mirrored = inference(chips[:, :, ::-1])
    one = inference(chips[:1])
    for key in ("age", "gender"):
        np.testing.assert_allclose(whole[key], mirrored[key], atol=1e-4)
        np.testing.assert_allclose(whole[key][:1], one[key], atol=1e-4)
    np.testing.assert_allclose(np.sum(whole["age"], 1), 1, atol=1e-5)


def _age_loss(low, high, logits, weight=1.0):
    return float(losses.age_loss(np.array([[low, high, weight]], np.float32), logits)[0])


def test_age_loss_prefers_the_labelled_age():
    peaks = [np.eye(AGES, dtype=np.float32)[[a]] * 12 for a in (20, 30, 60)]
    exact = [_age_loss(30, 30, logits) for logits in peaks]
    assert exact[1] < exact[0] < exact[2]


def test_age_loss_of_a_range_is_indifferent_inside_it():
    peaks = [np.eye(AGES, dtype=np.float32)[[a]] * 15 for a in (20, 25, 29, 35)]
    inside = [_age_loss(20, 29, logits) for logits in peaks]
    assert inside[0] == pytest.approx(inside[1], abs=0.05)
    assert inside[1] == pytest.approx(inside[2], abs=0.05)
    assert inside[3] > inside[0] + 1
    assert _age_loss(70, 116, np.eye(AGES, dtype=np.float32)[[90]] * 15) < 1


def test_ages_beyond_the_last_bin_and_missing_labels_are_finite():
    flat = np.zeros((1, AGES), np.float32)
    assert np.isfinite(_age_loss(116, 116, flat))
    assert _age_loss(0, 0, flat, weight=0.0) == 0
    assert float(losses.gender_loss(np.array([[1, 0]], np.float32), np.array([[3.0]], np.float32))[0]) == 0
    right = losses.gender_loss(np.array([[1, 1]], np.float32), np.array([[2.0]], np.float32))
    wrong = losses.gender_loss(np.array([[0, 1]], np.float32), np.array([[2.0]], np.float32))
    assert right[0] < wrong[0]


def test_schedule_rises_stays_and_falls():
    rate = Trapezoid(1.0, steps=100, warmup=10, cooldown=0.3)
    assert float(rate(0)) == pytest.approx(0.1)
    assert float(rate(50)) == pytest.approx(1.0)
    assert float(rate(85)) == pytest.approx(0.5)
    assert float(rate(100)) == pytest.approx(0.01)


def test_prediction_batches_are_full_and_say_how_many_are_real():
    chips = [np.full((8, 8, 3), i, np.uint8) for i in range(5)]
    got = [(pixels.numpy(), int(count)) for pixels, count in batches.prediction(lambda: iter(chips), 8, 2)]
    assert [count for _, count in got] == [2, 2, 1]
    assert all(pixels.shape == (2, 8, 8, 3) for pixels, _ in got)
    assert got[2][0][0].mean() == 4
    assert got[2][0][1].max() == 0


def test_plan_uses_every_example_once_per_pass_and_shares_batches_among_data_sets():
    sources = np.array([0] * 64 + [1] * 30 + [2] * 10)
    settings = dataclasses.replace(SETTINGS, epochs=4, batch_size=16, first_share=(0.5, 0.5))
    chosen = np.concatenate([training.plan(sources, settings, 8, epoch).ravel() for epoch in range(4)])
    drawn = np.bincount(chosen, minlength=len(sources))
    assert len(chosen) == 4 * 8 * 16
    assert np.ptp(drawn[:64]) <= 1
    assert np.ptp(drawn[64:94]) <= 1
    assert drawn[:64].sum() == len(chosen) // 2
    assert drawn[94:].sum() == pytest.approx(len(chosen) / 8, rel=0.1)
    np.testing.assert_array_equal(
        training.plan(sources, settings, 8, 2), training.plan(sources, settings, 8, 2)
    )


def test_rare_ages_weigh_more_and_unlabelled_ones_nothing():
    ages = np.array([[25, 25, 1]] * 300 + [[80, 80, 1]] * 3 + [[0, 0, 0]], np.float32)
    weighted = training.weigh_ages(ages)[:, 2]
    assert weighted[300] > weighted[0] > 0
    assert weighted[-1] == 0


def _train(folder, upto):
    """Train until `upto` epochs are done, then stop as a kill would, between two epochs."""
    examples = _examples()
    run = training.start(SETTINGS, TINY, 2, None)
    training.restore(run, folder / "checkpoint.npz", {"data": "abc"})
    for _ in training.epochs(run, SETTINGS, examples, examples, lambda *_: None, []):
        training.save(run, folder / "checkpoint.npz", {"data": "abc"})
        if run.epoch == upto:
            break
    return run


def test_training_that_was_stopped_ends_with_the_same_weights(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = _train(tmp_path / "whole", 3)
    for upto in (2, 3):
        parts = _train(tmp_path / "parts", upto)
    assert parts.epoch == whole.epoch == 3
    assert [f["epoch"] for f in parts.history] == [1, 2, 3]
    for one, other in zip(whole.averaging.weights(), parts.averaging.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    with pytest.raises(ModelError, match="another run"):
        training.restore(parts, tmp_path / "parts" / "checkpoint.npz", {"data": "other"})
    (tmp_path / "parts" / "checkpoint.npz").write_bytes(b"half")
    with pytest.raises(ModelError, match="damaged"):
        training.restore(parts, tmp_path / "parts" / "checkpoint.npz", {"data": "abc"})


def test_averages_follow_the_weights_and_leave_them_alone():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    averaging = training.Averaging(model, 0.9)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    data = np.ones((64, 2), np.float32), np.full((64, 1), 3.0, np.float32)
    model.fit(*data, batch_size=8, epochs=4, verbose=0, callbacks=[averaging])
    weights = model.get_weights()
    assert abs(float(weights[0].sum() + weights[1][0]) - 3) < 0.05
    for now, average in zip(weights, averaging.weights(), strict=True):
        assert np.abs(now - average).max() < 0.5
        assert np.abs(now - average).max() > 0


def test_training_stops_when_nothing_improves():
    flat = [{"score": 5.0, "side": 96}] * 9
    assert training.stale(flat, 96, 3) is False  # equal is not worse
    worse = [{"score": 5.0 + i, "side": 96} for i in range(5)]
    assert training.stale(worse, 96, 3)
    assert not training.stale(worse, 64, 3)


def test_what_is_taught_costs_least_where_the_answer_is_the_same():
    draw = np.random.default_rng(0)
    logits, label = draw.normal(size=(4, AGES)).astype(np.float32), np.array([[30, 30, 1]] * 4, np.float32)
    same = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    near = losses.taught_age_loss(label, same, logits)
    far = losses.taught_age_loss(label, same, logits[::-1])
    assert np.all(np.asarray(far) > np.asarray(near))
    unlabelled = losses.taught_age_loss(label * 0, same, logits)
    np.testing.assert_allclose(unlabelled, near)  # a face without a label is taught as well
    gender = [
        float(losses.taught_gender_loss(np.array([[0.9]]), np.array([[x]]))[0]) for x in (0.0, 2.197, 4.0)
    ]
    assert min(gender) == gender[1]


def test_a_teacher_is_learnt_from_and_stays_as_it_is():
    keras.utils.set_random_seed(1)
    teacher = build(TINY)
    # Sure of two things whatever it sees: everybody is 42, and female.
    for name, units in (("age", 42), ("gender", 0)):
        kernel, bias = teacher.get_layer(name).get_weights()
        bias[units] = 20
        teacher.get_layer(name).set_weights([kernel * 0, bias])
    before = teacher.get_weights()
    unlabelled = _examples()
    unlabelled.ages[:], unlabelled.genders[:] = 0, 0
    settings = dataclasses.replace(SETTINGS, epochs=12, learning_rate=0.03)
    run = training.start(settings, TINY, 4, None, [teacher])
    for figures in training.epochs(run, settings, unlabelled, _examples(), lambda *_: None, []):
        assert figures["side"] == settings.crop  # the teacher knows no smaller faces
    answers = run.network(unlabelled.pixels[:8, 3:37, 3:37].astype(np.float32))
    assert np.abs(np.argmax(answers["age"], 1) - 42).max() <= 3
    assert np.all(np.asarray(answers["gender"]) > 0)
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(run.averaging.weights()) == len(run.network.weights) == len(before)
