"""Training: which chips make which batch, one epoch after the other, and a checkpoint after each.

Everything random is drawn from the seed and the position in the run, never from what was drawn before, so a
run that was killed goes on from its checkpoint as if nothing had been.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from agebatch.datasets.examples import Examples
from agebatch.errors import ModelError
from agebatch.model import batches, losses, metrics
from agebatch.model.answering import predicted
from agebatch.model.evaluation import labels_of
from agebatch.model.learner import Learner
from agebatch.model.network import AGES, Architecture, build, for_inference
from agebatch.model.optimizer import Muon
from agebatch.model.schedule import Trapezoid
from agebatch.results.atomic import AtomicFile
from agebatch.settings import FitSettings

WARMUP = 150  # steps
AVERAGED_EVERY = 4  # steps; each time costs as much as a twentieth of a step
RARE_AGES = 0.4  # exponent: how much more a rare age counts than a frequent one
RARE_LIMITS = (0.6, 2.5)


def weigh_ages(ages: np.ndarray) -> np.ndarray:
    """Let rare ages count more, so that children and the old are learnt too; mean weight is about 1.

    Args:
        ages: float32 (N, 3); exact ones are weighted by their frequency, smoothed over five years.

    Returns:
        The same with new weights; those that were 0 stay 0.
    """
    exact = _exact(ages)
    if not exact.any():
        return ages
    bins = np.clip(np.round(ages[:, 0]), 0, AGES - 1).astype(int)
    count = np.convolve(np.bincount(bins[exact], minlength=AGES), np.ones(5) / 5, "same") + 1.0
    weight = (np.median(count[bins[exact]]) / count[bins]) ** RARE_AGES
    weighted = ages.copy()
    weighted[exact, 2] *= np.clip(weight[exact], *RARE_LIMITS)
    return weighted


def _exact(ages: np.ndarray) -> np.ndarray:
    """Which ages, (N, 3) as above, are labelled by a single year."""
    return (ages[:, 1] - ages[:, 0] < 1) & (ages[:, 2] > 0)


def plan(sources: np.ndarray, settings: FitSettings, steps: int, epoch: int) -> np.ndarray:
    """Choose the examples of every batch of one epoch.

    Each data set is gone through in a new order each time, every example once before any comes twice. The
    first one's share of a batch grows over the run as `settings.first_share` says; the others share the rest by
    their size.

    Args:
        sources: int (N,), the data set of each example.
        settings: batch size, seed, number of epochs.
        steps: batches per epoch.
        epoch: from 0.

    Returns:
        int (steps, batch) indices.
    """
    size = settings.batch_size
    every = np.linspace(*settings.first_share, settings.epochs * steps)
    present = [np.flatnonzero(sources == number) for number in np.unique(sources)]
    if len(present) == 1:
        counts = np.full((settings.epochs * steps, 1), size)
    else:
        others = np.array([len(pool) for pool in present[1:]], float)
        shares = np.column_stack([every, (1 - every)[:, None] * others / others.sum()])
        # Rounding the running sums, not the shares, keeps small data sets from never being drawn.
        counts = np.diff(np.round(np.cumsum(shares, axis=0) * size), axis=0, prepend=0).astype(int)
        counts[:, 0] = size - counts[:, 1:].sum(axis=1)
    start = counts[: epoch * steps].sum(axis=0)
    here = counts[epoch * steps : (epoch + 1) * steps]
    streams = [
        iter(_stream(pool, settings.seed, number, start[number], here[:, number].sum()))
        for number, pool in enumerate(present)
    ]
    rows = [[next(stream) for stream, k in zip(streams, row, strict=True) for _ in range(k)] for row in here]
    return np.random.default_rng([settings.seed, 1, epoch]).permuted(np.array(rows), axis=1)


def _stream(pool: np.ndarray, seed: int, number: int, start: int, count: int) -> np.ndarray:
    first, last = start // len(pool), (start + count) // len(pool)
    passes = [np.random.default_rng([seed, 2, number, k]).permutation(pool) for k in range(first, last + 1)]
    offset = start - first * len(pool)
    return np.concatenate(passes)[offset : offset + count]


@dataclass
class Run:
    """A training run between two epochs: all that a checkpoint holds."""

    learner: Learner
    optimizer: keras.optimizers.Optimizer
    architecture: Architecture
    steps: int  # batches per epoch
    averaging: Averaging
    epoch: int
    history: list[dict[str, float]]
    best: list[np.ndarray] | None = None  # averaged weights of the best epoch
    # By side of the input, to be compiled once.
    inference: dict[int, keras.Model] = field(default_factory=dict)

    @property
    def network(self) -> keras.Model:
        """What is being trained."""
        return self.learner.network


class Averaging(keras.callbacks.Callback):
    """Averages all weights over the steps, exponentially: a better network than any single step's.

    Keras' optimisers can do this too, but at the end of each `fit` they put the averages in place of the weights,
    which throws training back each time when `fit` is called once per epoch; and they leave out the statistics of
    normalisation.

    Source: Polyak and Juditsky 1992; the shorter memory at the start as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, network: keras.Model, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        # Copies: JAX frees a weight's own memory at every step.
        self.pairs = [
            (w, keras.Variable(keras.ops.convert_to_numpy(w).copy(), trainable=False, name="averaged"))
            for w in network.weights
        ]
        self.step = 0
        self._moved = _moved
        if keras.backend.backend() == "jax":
            import jax  # noqa: PLC0415 - one call for all weights instead of three for each

            self._moved = jax.jit(_moved)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Count on from where the optimiser is."""
        self.step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the averages a little towards the weights, every few steps."""
        self.step += 1
        if self.step % AVERAGED_EVERY:
            return
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # during `fit` Keras on JAX keeps what moves apart from the variables
        rate = 1 - min(self.momentum, (1 + self.step) / (10 + self.step)) ** AVERAGED_EVERY
        moved = self._moved([(w.value, average.value) for w, average in self.pairs], np.float32(rate))
        for (_, average), value in zip(self.pairs, moved, strict=True):
            average.assign(value)

    def weights(self) -> list[np.ndarray]:
        """The averages, in the order of the network's weights."""
        return [keras.ops.convert_to_numpy(average).copy() for _, average in self.pairs]


def _moved(pairs: list[tuple[Any, Any]], rate: Any) -> list[Any]:
    return [average + rate * (weight - average) for weight, average in pairs]


def start(
    settings: FitSettings,
    architecture: Architecture,
    steps: int,
    init: keras.Model | None,
    teachers: Sequence[keras.Model] = (),
) -> Run:
    """Make a network with its optimiser, ready for the first epoch."""
    keras.utils.set_random_seed(settings.seed)
    network = build(architecture)
    if init is not None:
        network.set_weights(init.get_weights())
    total = settings.epochs * steps
    optimizer = Muon(
        Trapezoid(settings.learning_rate, total, min(WARMUP, total // 10), settings.cooldown),
        weight_decay=settings.weight_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    learner = Learner(network, teachers, settings.crop)
    learner.compile(
        optimizer,
        loss={"age": losses.age_loss, "gender": losses.gender_loss},
        metrics={"age": losses.age_error, "gender": losses.gender_accuracy},
    )
    optimizer.build(network.trainable_variables)
    return Run(learner, optimizer, architecture, steps, Averaging(network, settings.averaging), 0, [])


def epochs(
    run: Run,
    settings: FitSettings,
    train: Examples,
    validation: Examples,
    tell: Callable[[int, str], None],
    callbacks: list[keras.callbacks.Callback],
) -> Iterator[dict[str, float]]:
    """Train one epoch at a time; between two of them the run can be saved.

    Args:
        run: from `start`, perhaps restored.
        settings: of the run.
        train: what to learn from.
        validation: what to measure after each epoch.
        tell: called after each batch with 1 and the running figures, for people.
        callbacks: Keras' own, such as TensorBoard.

    Yields:
        Loss and metrics of training and validation, by name.
    """
    weighted, steps = weigh_ages(train.ages), run.steps
    # Teachers know faces at full size only.
    coarse_until = 0 if run.learner.teachers else round(settings.epochs * settings.coarse_share)
    smaller: np.ndarray | None = None
    for epoch in range(run.epoch, settings.epochs):
        coarse = epoch < coarse_until and settings.coarse < settings.crop
        if coarse and smaller is None:
            smaller = shrink(train.pixels, round(settings.chip * settings.coarse / settings.crop))
        elif not coarse:
            smaller = None
        side = settings.coarse if coarse else settings.crop
        pixels = smaller if smaller is not None else train.pixels
        chosen = plan(train.source, settings, steps, epoch)
        data = batches.training(
            pixels,
            weighted,
            train.genders,
            chosen,
            side,
            settings.crop / settings.chip,
            settings.seed * 100_003 + epoch,
        )
        ticker = keras.callbacks.LambdaCallback(on_train_batch_end=_ticker(tell, epoch))
        run.learner.side = side
        fitted = run.learner.fit(
            data,
            epochs=epoch + 1,
            initial_epoch=epoch,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,
            callbacks=[run.averaging, ticker, *callbacks],
        )
        figures = {"epoch": epoch + 1, "side": side}
        figures |= {f"train_{name}": float(values[-1]) for name, values in fitted.history.items()}
        for name in _meaningless(train):
            figures.pop(f"train_{name}", None)
        averaged = run.averaging.weights()
        figures |= validate(averaged, run, validation, settings, side)
        run.epoch = epoch + 1
        run.history.append(figures)
        if not coarse and figures["score"] <= min(h["score"] for h in run.history if h["side"] == side):
            run.best = averaged
        yield figures
        # Small pictures are only the way to the real ones: what no longer gains there does not end the run.
        if not coarse and stale(run.history, side, settings.patience):
            return


def _meaningless(train: Examples) -> list[str]:
    """Running figures of which nothing is labelled: Keras would report 0 for them."""
    known = {"age_age_error": _exact(train.ages), "gender_gender_accuracy": train.genders[:, 1] > 0}
    return [name for name, labelled in known.items() if not labelled.any()]


def stale(history: list[dict[str, float]], side: int, patience: int) -> bool:
    """True when the score has not improved for `patience` epochs at this resolution."""
    scores = [figures["score"] for figures in history if figures["side"] == side]
    return len(scores) > patience and min(scores[-patience:]) > min(scores[:-patience])


def _ticker(tell: Callable[[int, str], None], epoch: int) -> Callable[..., None]:
    def tick(batch: int, logs: dict[str, Any] | None = None) -> None:
        figures = logs or {}
        tell(1, f"epoch {epoch + 1}, loss {float(figures.get('loss', 0.0)):.3f}")

    return tick


def shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Reduce chips, uint8 (N, S, S, 3), to uint8 (N, side, side, 3), by the mean over areas."""
    import tensorflow as tf  # noqa: PLC0415 - only data goes through TensorFlow, whatever Keras' backend

    with tf.device("/CPU:0"):
        parts = [
            tf.cast(tf.round(tf.image.resize(pixels[i : i + 1024], [side, side], "area")), tf.uint8).numpy()
            for i in range(0, len(pixels), 1024)
        ]
    return np.concatenate(parts)


def validate(
    weights: list[np.ndarray],
    run: Run,
    validation: Examples,
    settings: FitSettings,
    side: int,
) -> dict[str, float]:
    """Measure averaged weights on the validation split.

    Returns:
        `validation_mae` in years and `validation_gender`, the share of right answers, each only where something is
        labelled; and `score`, lower is better, of what there is.
    """
    if not len(validation):
        return {"score": 0.0}
    chip = round(settings.chip * side / settings.crop)
    pixels = validation.pixels if side == settings.crop else shrink(validation.pixels, chip)
    current = run.network.get_weights()
    run.network.set_weights(weights)
    try:
        if side not in run.inference:
            run.inference[side] = for_inference(run.network, chip, side, mirror=False)
        answers = predicted(run.inference[side], pixels)
    finally:
        run.network.set_weights(current)
    labels = labels_of(validation)
    error = metrics.errors(answers["age"] @ np.arange(AGES), labels)
    error = error[~np.isnan(error)]
    sexed = ~np.isnan(labels.female)
    right = (answers["gender"][sexed, 0] > 0) == (labels.female[sexed] > 0.5)
    figures = {"score": 0.0}
    # 0.1 years weigh as much as half a percent of gender: both are about one standard error on 2,000 faces.
    if len(error):
        figures["validation_mae"] = float(np.abs(error).mean())
        figures["score"] += figures["validation_mae"]
    if len(right):
        figures["validation_gender"] = float(right.mean())
        figures["score"] += 20 * (1 - figures["validation_gender"])
    return figures


def save(run: Run, path: Path, identity: dict[str, Any]) -> None:
    """Write a checkpoint; there is always a whole one.

    Raises:
        OutputError: it can't be written.
    """
    arrays = {f"v{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(run.network.variables)}
    arrays |= {f"o{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(run.optimizer.variables)}
    arrays |= {f"a{i}": value for i, value in enumerate(run.averaging.weights())}
    arrays |= {f"b{i}": value for i, value in enumerate(run.best or [])}
    state = {"epoch": run.epoch, "history": run.history, "identity": identity, "best": run.best is not None}
    arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with AtomicFile(path) as file:
        np.savez(file.file, **arrays)


def restore(run: Run, path: Path, identity: dict[str, Any]) -> bool:
    """Go on from a checkpoint; False where there is none.

    Raises:
        ModelError: the checkpoint is damaged, or belongs to other data or other settings.
    """
    if not path.exists():
        return False
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = json.loads(arrays["state"].tobytes())
            loaded = {name: arrays[name] for name in arrays.files}
    except Exception as error:
        raise ModelError(f"{path} is damaged: {error}", "delete it to start over") from error
    different = [name for name, value in identity.items() if state["identity"].get(name) != value]
    if different:
        raise ModelError(
            f"{path} belongs to another run: {', '.join(different)} differ",
            "choose another -o, or delete the checkpoint to start over",
        )
    for i, variable in enumerate(run.network.variables):
        variable.assign(loaded[f"v{i}"])
    for i, variable in enumerate(run.optimizer.variables):
        variable.assign(loaded[f"o{i}"])
    for i, (_, average) in enumerate(run.averaging.pairs):
        average.assign(loaded[f"a{i}"])
    run.epoch, run.history = state["epoch"], state["history"]
    if state["best"]:
        run.best = [loaded[f"b{i}"] for i in range(len(run.network.get_weights()))]
    return True
