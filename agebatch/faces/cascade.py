"""MTCNN's cascade over a batch as one TensorFlow graph: proposals, refinement, output; traced once for all sizes.

Boxes here are `y0, x0, y1, x1` in pixels of the working picture (octave 0 of the canvas), coordinates continuous.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from agebatch.faces import networks
from agebatch.faces.canvas import OCTAVES
from agebatch.faces.networks import FINAL, REFINED, STRIDE, WINDOW, ProposalWeights, Weights
from agebatch.faces.sampling import GREY, Source, crops


@dataclass(frozen=True)
class Limits:
    """Thresholds and sizes of the three stages, as the detector's card gives them."""

    promising_score: float  # of every other window; around those above it all are looked at
    proposal_score: float
    proposal_overlap: float  # intersection over union above which the lower score goes
    most_windows: int  # per picture, before suppression
    most_proposals: int  # per picture, after it: what the second network sees at most
    refined_score: float
    refined_overlap: float
    most_refined: int  # per picture: what the third network sees at most
    refine_chunk: int  # crops at a time, the last chunk padded
    final_score: float
    final_overlap: float  # intersection over the smaller one's area
    final_chunk: int

    @classmethod
    def from_card(cls, card: Mapping) -> Limits:
        """Read them from a detector's card."""
        first, second, third = card["proposals"], card["refinement"], card["output"]
        return cls(
            promising_score=first["promising"],
            proposal_score=first["score"],
            proposal_overlap=first["overlap"],
            most_windows=first["most_windows"],
            most_proposals=first["most"],
            refined_score=second["score"],
            refined_overlap=second["overlap"],
            most_refined=second["most"],
            refine_chunk=second["chunk"],
            final_score=third["score"],
            final_overlap=third["overlap_of_smaller"],
            final_chunk=third["chunk"],
        )


class Found(NamedTuple):
    """What the graph returns: N faces of the whole batch, unordered, and per-picture signs."""

    picture: tf.Tensor  # (N,) int32
    boxes: tf.Tensor  # (N, 4) y0, x0, y1, x1
    scores: tf.Tensor  # (N,)
    points: tf.Tensor  # (N, 5, 2) x, y
    capped: tf.Tensor  # (B,) bool: more candidates than a stage takes
    counts: tf.Tensor  # (3,) int32: windows, proposals, refined, over the batch


def build(
    pnet: ProposalWeights,
    rnet: Weights,
    onet: Weights,
    limits: Limits,
    on_trace: Callable[[], None],
    last: int = 3,
):
    """Make the function `canvas, corners, sizes, pixels, owners, level_corners, scales -> Found`.

    Its first three arguments are those of `agebatch.faces.canvas.fill`, the others those of
    `agebatch.faces.pyramid.Pyramids`. `on_trace` is called whenever TensorFlow traces the function. With `last` 0, 1
    or 2 the function stops before the first, behind the first or behind the second network, and finds nothing.
    """

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.uint8),
            tf.TensorSpec((OCTAVES, 2), tf.int32),
            tf.TensorSpec((None, OCTAVES, 2), tf.int32),
            tf.TensorSpec((None, None, None, 3), tf.uint8),
            tf.TensorSpec((None, None, None), tf.int32),
            tf.TensorSpec((None, 2), tf.float32),
            tf.TensorSpec((None, None, 2), tf.float32),
        ],
        autograph=False,
    )
    def detect(canvas, corners, sizes, pixels, owners, level_corners, scales):
        on_trace()
        source = Source(canvas, tf.cast(corners, tf.float32), tf.cast(sizes, tf.float32))
        batch = tf.shape(canvas)[0]
        if last == 0:
            return _nothing(batch, 0, 0, 0)
        picture, boxes, scores = _proposals(pixels, owners, level_corners, scales, pnet, limits)
        windows = tf.size(scores)
        boxes, scores, crowded = _per_picture(batch, picture, boxes, scores, limits.most_windows)
        picture, boxes, _, many = _suppress(boxes, scores, limits.proposal_overlap, limits.most_proposals)
        proposals = tf.size(picture)
        if last == 1:
            return _nothing(batch, windows, proposals, 0)

        def second(index, box):
            return networks.refine(crops(source, index, box, REFINED), rnet)

        boxes = _square(boxes)
        offsets = _chunked(second, picture, boxes, limits.refine_chunk, 5)
        kept = tf.where(offsets[:, 4] > _logit(limits.refined_score))[:, 0]
        picture, boxes, offsets = (tf.gather(t, kept) for t in (picture, boxes, offsets))
        boxes, scores, _ = _per_picture(
            batch, picture, _moved(boxes, offsets[:, :4]), tf.sigmoid(offsets[:, 4]), limits.most_proposals
        )
        picture, boxes, _, more = _suppress(boxes, scores, limits.refined_overlap, limits.most_refined)
        refined = tf.size(picture)
        if last == 2:
            return _nothing(batch, windows, proposals, refined)

        def third(index, box):
            return networks.finish(crops(source, index, box, FINAL), onet)

        boxes = _square(boxes)
        output = _chunked(third, picture, boxes, limits.final_chunk, 15)
        kept = tf.where(output[:, 14] > _logit(limits.final_score))[:, 0]
        picture, boxes, output = (tf.gather(t, kept) for t in (picture, boxes, output))
        scores = tf.sigmoid(output[:, 14])
        points = _points(boxes, output[:, 4:14])
        boxes = _moved(boxes, output[:, :4])
        kept = _suppress_contained(picture, boxes, scores, limits.final_overlap)
        picture, boxes, scores, points = (tf.gather(t, kept) for t in (picture, boxes, scores, points))
        counts = tf.stack([windows, proposals, refined])
        return Found(picture, boxes, scores, points, crowded | many | more, counts)

    return detect


def _nothing(batch, *counts):
    none = tf.zeros(0)
    return Found(
        tf.zeros(0, tf.int32),
        tf.zeros((0, 4)),
        none,
        tf.zeros((0, 5, 2)),
        tf.zeros(batch, tf.bool),
        tf.stack(counts),
    )


def _proposals(pixels, owners, level_corners, scales, weights: ProposalWeights, limits: Limits):
    features = networks.proposal_features(tf.cast(pixels, tf.float32) - GREY, weights)
    hints = _spread(networks.sparse_scores(features, weights), tf.shape(owners)[1:])
    cells = tf.where((hints > _logit(limits.promising_score)) & (owners > 0))
    answers = networks.score_windows(features, cells, weights)
    good = tf.where(answers[:, 4] > _logit(limits.proposal_score))[:, 0]
    cells, answers = tf.gather(cells, good), tf.gather(answers, good)
    picture, level = tf.cast(cells[:, 0], tf.int32), tf.gather_nd(owners, cells) - 1
    corner = tf.cast(cells[:, 1:] * STRIDE, tf.float32) - tf.gather(level_corners, level)
    window = tf.concat([corner, corner + WINDOW], axis=1) + WINDOW * _yxyx(answers[:, :4])
    scale = tf.gather_nd(scales, tf.stack([picture, level], axis=1))
    return picture, window / tf.tile(scale, (1, 2)), tf.sigmoid(answers[:, 4])


def _spread(scores, size):
    # (B, h, w) of every other window each way to (B, *size) of all: a window between two takes the better one.
    for axis in (1, 2):
        count = tf.shape(scores)[axis]
        ahead = tf.gather(scores, tf.minimum(tf.range(count) + 1, count - 1), axis=axis)
        both = tf.stack([scores, tf.maximum(scores, ahead)], axis=axis + 1)
        shape = tf.unstack(tf.shape(scores))
        shape[axis] *= 2
        scores = tf.reshape(both, shape)
    return scores[:, : size[0], : size[1]]


def _per_picture(batch, picture, boxes, scores, most: int):
    # (N, …) of all pictures to (B, most, …), best first; the rest is dropped and the picture marked.
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(picture, order), stable=True))
    picture, boxes, scores = (tf.gather(t, order) for t in (picture, boxes, scores))
    counts = tf.math.bincount(picture, minlength=batch, maxlength=batch)
    rank = tf.range(tf.size(picture)) - tf.gather(tf.cumsum(counts, exclusive=True), picture)
    fits = tf.where(rank < most)[:, 0]
    place = tf.stack([tf.gather(picture, fits), tf.gather(rank, fits)], axis=1)
    width = tf.minimum(most, tf.maximum(1, tf.reduce_max(counts)))
    table = tf.scatter_nd(place, tf.gather(boxes, fits), tf.stack([batch, width, 4]))
    return table, tf.scatter_nd(place, tf.gather(scores, fits), tf.stack([batch, width])), counts > most


def _suppress(boxes, scores, overlap: float, most: int):
    # Greedy suppression of each picture by itself: (B, K, 4), (B, K) to (N,), (N, 4), (N,), and (B,) "was cut off".
    boxes, scores, _, counts = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores[..., None], most + 1, most + 1, overlap, 1e-6, clip_boxes=False
    )
    places = tf.where(tf.sequence_mask(tf.minimum(counts, most), most + 1))
    return (
        tf.cast(places[:, 0], tf.int32),
        tf.gather_nd(boxes, places),
        tf.gather_nd(scores, places),
        counts > most,
    )


def _suppress_contained(picture, boxes, scores, overlap: float):
    # Overlap over the smaller area: a box inside another goes, however small. Few boxes are left here.
    low = tf.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = tf.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = tf.reduce_prod(tf.maximum(high - low, 0), axis=-1)
    area = tf.reduce_prod(tf.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6), axis=-1)
    ratio = shared / tf.minimum(area[:, None], area[None])
    ratio *= tf.cast(picture[:, None] == picture[None], tf.float32)
    return tf.image.non_max_suppression_overlaps(ratio, scores, tf.maximum(1, tf.size(scores)), overlap)


def _chunked(network, picture, boxes, chunk: int, columns: int):
    # Chunks of one size, the last one padded: memory is bounded, and the kernels see one shape.
    count = tf.size(picture)
    short = -count % chunk
    picture = tf.reshape(tf.pad(picture, [(0, short)]), (-1, chunk))
    boxes = tf.reshape(tf.pad(boxes, [(0, short), (0, 0)]), (-1, chunk, 4))
    result = tf.map_fn(
        lambda pair: tf.ensure_shape(network(*pair), (chunk, columns)),
        (picture, boxes),
        fn_output_signature=tf.TensorSpec((chunk, columns), tf.float32),
        parallel_iterations=1,
    )
    return tf.reshape(result, (-1, columns))[:count]


def _square(boxes):
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = tf.reduce_max(boxes[:, 2:] - boxes[:, :2], axis=1, keepdims=True) / 2
    return tf.concat([centre - half, centre + half], axis=1)


def _moved(boxes, offsets):
    return boxes + _yxyx(offsets) * (
        boxes[:, 2:3] - boxes[:, :1]
    )  # square boxes: one side for both directions


def _yxyx(offsets):
    return tf.gather(offsets, [1, 0, 3, 2], axis=1)  # the networks answer x0, y0, x1, y1


def _points(boxes, offsets):
    side = boxes[:, 2:3] - boxes[:, :1]
    return tf.stack([boxes[:, 1:2] + offsets[:, :5] * side, boxes[:, :1] + offsets[:, 5:] * side], axis=-1)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
