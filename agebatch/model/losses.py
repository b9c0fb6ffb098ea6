"""What training minimises: cross-entropy and squared error for age, cross-entropy for gender.

Labels travel as numbers: age as (low, high, weight) in years, gender as (female 0..1, weight). Weight 0 says
"not labelled", so that a data set with only one of them trains the head that it can.
"""

from __future__ import annotations

from keras import ops

from agebatch.model.network import AGES

SQUARED_ERROR_SHARE = 0.01  # per year²: at 5 years as steep as the prototype's 0.1 per year of absolute error
LARGEST_MISS = 30.0  # years; beyond it the squared error grows no more
GENDER_SHARE = 2.0
GENDER_SMOOTHING = 0.04


def age_spread(age):
    """Standard deviation in years of the soft label: one at birth, five at 80, since nobody can tell better.

    In UTKFace's near-duplicates the labels of one face differ by 4 years on average; in infants hardly at all.
    """
    return 0.7 + 0.045 * age


def age_loss(label, logits):
    """Cross-entropy against a soft label, plus squared error of the distribution's mean.

    An exact age is a Gaussian over the bins (Gao et al. 2017, "Deep label distribution learning", arXiv
    1611.01731). For a range the loss is the negative log of the probability inside it, "somewhere in this
    range", and the error of the mean counts from the nearest end.

    Args:
        label: (B, 3) low, high (years, inclusive) and weight.
        logits: (B, 101).

    Returns:
        (B,) losses.
    """
    low, high, weight = label[:, 0:1], label[:, 1:2], label[:, 2]
    bins = ops.arange(AGES, dtype="float32")[None, :]
    log_p = ops.log_softmax(logits, axis=-1)
    soft = ops.softmax(-0.5 * ops.square((bins - ops.minimum(low, AGES - 1.0)) / age_spread(low)), axis=-1)
    exact = -ops.sum(soft * log_p, axis=-1)
    inside = ops.logical_and(bins >= ops.minimum(low, AGES - 1.0) - 0.5, bins <= high + 0.5)
    within = -ops.logsumexp(ops.where(inside, log_p, -1e4), axis=-1)
    mean = _mean(ops.softmax(logits, axis=-1))
    miss = ops.maximum(ops.maximum(label[:, 0] - mean, mean - label[:, 1]), 0.0)
    is_exact = ops.cast(label[:, 1] - label[:, 0] < 1, "float32")
    entropy = is_exact * exact + (1 - is_exact) * within
    return weight * (entropy + _squared(miss))


def _mean(probabilities):
    return ops.sum(probabilities * ops.arange(AGES, dtype="float32"), axis=-1)


def _squared(years):
    return SQUARED_ERROR_SHARE * ops.square(ops.clip(years, -LARGEST_MISS, LARGEST_MISS))


def gender_loss(label, logits):
    """Binary cross-entropy with label smoothing.

    Args:
        label: (B, 2) female (0 or 1) and weight.
        logits: (B, 1), positive for female.

    Returns:
        (B,) losses.
    """
    target = label[:, 0] * (1 - GENDER_SMOOTHING) + GENDER_SMOOTHING / 2
    return label[:, 1] * _gender_entropy(target, logits[:, 0])


def _gender_entropy(target, logit):
    return GENDER_SHARE * (ops.softplus(logit) - target * logit)


def taught_age_loss(label, taught, logits):
    """Cross-entropy against what teachers say, plus squared error between the means of both distributions.

    Args:
        label: (B, 3) as above; where an exact age weighs more, so does what is taught about it. A face without a
            label is taught as well.
        taught: (B, 101) probabilities.
        logits: (B, 101).

    Returns:
        (B,) losses.
    """
    entropy = -ops.sum(taught * ops.log_softmax(logits, axis=-1), axis=-1)
    weight = ops.where(label[:, 2] > 0, label[:, 2], 1.0)
    return weight * (entropy + _squared(_mean(taught - ops.softmax(logits, axis=-1))))


def taught_gender_loss(taught, logits):
    """Binary cross-entropy against what teachers say, (B, 1) probabilities; logits (B, 1). Returns (B,) losses."""
    return _gender_entropy(taught[:, 0], logits[:, 0])


def age_error(label, logits):
    """Mean absolute error in years over exactly labelled ages, as a running figure during training."""
    mean = _mean(ops.softmax(logits, axis=-1))
    known = ops.cast(ops.logical_and(label[:, 2] > 0, label[:, 1] - label[:, 0] < 1), "float32")
    return ops.sum(known * ops.abs(mean - label[:, 0])) / ops.maximum(ops.sum(known), 1.0)


def gender_accuracy(label, logits):
    """Share of right answers among the labelled ones, as a running figure during training."""
    known = ops.cast(label[:, 1] > 0, "float32")
    right = ops.cast(ops.equal(logits[:, 0] > 0, label[:, 0] > 0.5), "float32")
    return ops.sum(known * right) / ops.maximum(ops.sum(known), 1.0)
