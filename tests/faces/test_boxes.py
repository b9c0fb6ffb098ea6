import numpy as np

from agebatch.faces.boxes import area, clip, iou, largest_first, matches


def test_iou_of_nothing_with_something():
    assert iou(np.empty((0, 4)), np.ones((3, 4))).shape == (0, 3)
    assert iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_iou_is_symmetric_and_bounded():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 50, (2, 20, 4))
    np.testing.assert_allclose(iou(a, b), iou(b, a).T)
    assert iou(a, b).min() >= 0
    np.testing.assert_allclose(np.diag(iou(a, a)), 1)


def test_clip_keeps_what_is_inside_and_the_type():
    boxes = np.array([(1, 2, 3, 4), (-3, -3, 2, 2), (90, 5, 30, 5), (200, 200, 9, 9)], np.float32)
    clipped = clip(boxes, 100, 50)
    assert clipped.dtype == np.float32
    assert clipped.tolist() == [[1, 2, 3, 4], [0, 0, 0, 0], [90, 5, 10, 5], [100, 50, 0, 0]]
    assert area(clipped)[1] == 0


def test_largest_first_breaks_ties_by_place():
    boxes = np.array([(5, 5, 2, 2), (5, 1, 2, 2), (1, 5, 2, 2), (0, 0, 9, 9)])
    assert largest_first(boxes).tolist() == [3, 1, 2, 0]
    assert largest_first(boxes[:0]).tolist() == []


def test_matches_uses_each_box_once():
    wanted = np.array([(0, 0, 10, 10), (1, 0, 10, 10)])
    assert sorted(matches(np.array([(0, 0, 10, 10)]), wanted, 0.4).tolist()) == [-1, 0]
    assert matches(np.empty((0, 4)), wanted, 0.4).tolist() == [-1, -1]
    assert matches(wanted, np.empty((0, 4)), 0.4).tolist() == []
