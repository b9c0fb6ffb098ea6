"""How fast the weights move: a trapezoid learning rate."""

from __future__ import annotations

import keras
from keras import ops


class Trapezoid(keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up, a long plateau, and a straight way down to a hundredth: one can always go on from the plateau.

    Source: Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training durations"
    (arXiv 2405.18392).

    Args:
        peak: learning rate of the plateau.
        steps: of the whole run.
        warmup: steps until the peak.
        cooldown: share of the run that goes down.
    """

    def __init__(self, peak: float, steps: int, warmup: int, cooldown: float) -> None:
        self.peak, self.steps, self.warmup, self.cooldown = peak, steps, warmup, cooldown

    def __call__(self, step):
        """Return the learning rate at a step."""
        step = ops.cast(step, "float32")
        up = (step + 1) / max(1, self.warmup)
        down = (self.steps - step) / max(1.0, self.cooldown * self.steps)
        return self.peak * ops.clip(ops.minimum(up, down), 0.01, 1.0)

    def get_config(self) -> dict:
        """For Keras."""
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup, "cooldown": self.cooldown}
