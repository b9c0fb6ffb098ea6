"""The network and what only training has around it: augmentation where the network is, and teachers.

Teachers are trained networks that look at the same varied faces; the learner learns from their answers too.
Together they know more than one of them, and one that learns from all keeps most of it.

Source: Hinton et al. 2015, "Distilling the knowledge in a neural network" (arXiv 1503.02531); the same view for
teacher and learner as Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent"
(arXiv 2106.05237).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from agebatch.model import losses
from agebatch.model.augmentation import augment

TAUGHT_SHARE = 0.7  # of the loss that comes from the teachers; the rest comes from the labels
TAUGHT = "taught_"  # before the name of a head: what the teachers say


class Learner(keras.Model):
    """What `fit` is called on.

    Args:
        network: from agebatch.model.network.build.
        teachers: likewise, trained.
        side: of the network's input in pixels, where faces still come as chips with draws; see
            agebatch.model.batches.training.
    """

    def __init__(self, network: keras.Model, teachers: Sequence[keras.Model], side: int) -> None:
        super().__init__(name="learner")
        self.network, self.teachers, self.side = network, list(teachers), side
        for teacher in self.teachers:
            teacher.trainable = False

    def build(self, shapes: Any = None) -> None:
        """Nothing is left to make: the networks were made before."""
        self.built = True

    def call(self, given: Any, training: bool | None = None) -> dict[str, Any]:
        """Answer, (B, 101) logits of age and (B, 1) of gender; beside them the probabilities of the teachers."""
        pixels = augment(given["chips"], given, self.side) if isinstance(given, dict) else given
        answers = dict(self.network(pixels, training=training))
        if training and self.teachers:
            told = [teacher(pixels, training=False) for teacher in self.teachers]
            answers[TAUGHT + "age"] = _mean([ops.softmax(one["age"], axis=-1) for one in told])
            answers[TAUGHT + "gender"] = _mean([ops.sigmoid(one["gender"]) for one in told])
        return answers

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mix what the labels and what the teachers ask for."""
        labelled = super().compute_loss(x, y, _own(y_pred), sample_weight, training)
        if TAUGHT + "age" not in y_pred:
            return labelled
        taught = losses.taught_age_loss(y["age"], y_pred[TAUGHT + "age"], y_pred["age"])
        taught += losses.taught_gender_loss(y_pred[TAUGHT + "gender"], y_pred["gender"])
        return (1 - TAUGHT_SHARE) * labelled + TAUGHT_SHARE * ops.mean(taught)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Measure the network's own answers."""
        return super().compute_metrics(x, y, _own(y_pred), sample_weight)


def _own(answers: dict[str, Any]) -> dict[str, Any]:
    return {name: answer for name, answer in answers.items() if not name.startswith(TAUGHT)}


def _mean(answers: list[Any]) -> Any:
    return ops.stop_gradient(sum(answers[1:], answers[0]) / len(answers))
