"""The predictor's promises, on the shipped model: it is loaded once for all of them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from agebatch.errors import UsageError
from agebatch.model import package
from agebatch.model.predictor import Predictor


@pytest.fixture(scope="module")
def predictor():
    return Predictor(package.load(), batch_size=4, device="cpu")


@pytest.fixture(scope="module")
def chips(predictor):
    side = predictor.chip
    return np.random.default_rng(0).integers(0, 256, (10, side, side, 3)).astype(np.uint8)


def test_answers_come_in_order_and_don_t_depend_on_their_batch(predictor, chips):
    together = list(predictor.predict(iter(chips)))
    alone = [next(predictor.predict([chip])) for chip in chips[:3]]
    assert len(together) == len(chips)
    for one, among in zip(alone, together, strict=False):
        np.testing.assert_allclose(one, among, rtol=1e-3, atol=1e-3)
    assert len({round(p.age, 6) for p in together}) == len(chips)
    assert predictor.traces == 1


def test_an_answer_is_whole(predictor, chips):
    for answer in predictor.predict(iter(chips)):
        assert 0 <= answer.low <= answer.age <= answer.high
        assert 0.5 <= answer.confidence <= 1
        assert answer.gender == ("female" if answer.female >= 0.5 else "male")


def test_an_error_of_the_chips_source_is_raised_as_it_is(predictor, chips):
    def source():
        yield from chips[:2]
        raise ZeroDivisionError("no more")

    with pytest.raises(ZeroDivisionError, match="no more"):
        list(predictor.predict(source()))


def test_no_chips_no_answers(predictor):
    assert list(predictor.predict([])) == []


def test_a_gpu_that_is_not_there_is_said():
    import tensorflow as tf  # noqa: PLC0415

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is one")
    with pytest.raises(UsageError, match="no GPU"):
        Predictor(package.load(), device="gpu")
