import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agebatch.errors import ModelError, UsageError
from agebatch.faces.alignment import TEMPLATE, side_in_picture, similarity
from agebatch.faces.boxes import iou
from agebatch.faces.detector import Mtcnn, _grouped, _Working

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "detector"


def sample(name, side):
    image = Image.open(ROOT / "sample_images" / name).convert("RGB")
    image.thumbnail((side, side))
    return np.asarray(image)


def canvas_with(picture, height, width, value=0):
    result = np.full((height, width, 3), value, np.uint8)
    result[: picture.shape[0], : picture.shape[1]] = picture
    return result


def same(a, b, pixels):
    assert len(a) == len(b)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=pixels)
    np.testing.assert_allclose(a.points, b.points, atol=pixels)
    np.testing.assert_allclose(a.scores, b.scores, atol=0.02)


@pytest.fixture(scope="module")
def detector():
    return Mtcnn.load(MODEL)


@pytest.fixture(scope="module")
def portraits():
    return [
        sample("grace_hopper.jpg", 400),
        sample("eileen_collins.jpg", 300),
        sample("four_portraits.jpg", 640),
    ]


@pytest.fixture(scope="module")
def found(detector, portraits):
    return detector.detect(portraits)


def test_the_right_faces(found, portraits):
    assert [len(faces) for faces in found] == [1, 1, 4]
    for faces, picture in zip(found, portraits, strict=True):
        assert faces.boxes.dtype == faces.points.dtype == faces.scores.dtype == np.float32
        assert faces.points.shape == (len(faces), 5, 2)
        assert (faces.scores > 0.95).all()
        assert not faces.capped
        areas = faces.boxes[:, 2] * faces.boxes[:, 3]
        assert (np.diff(areas) <= 0).all(), "largest first"
        assert (faces.boxes[:, :2] >= 0).all()
        assert (faces.boxes[:, :2] + faces.boxes[:, 2:] <= picture.shape[1::-1]).all()


def test_points_lie_where_a_face_has_them(found):
    for faces in found:
        for box, points in zip(faces.boxes, faces.points, strict=True):
            left, right, nose, mouth_left, mouth_right = points
            assert left[0] < nose[0] < right[0]
            assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
            m = similarity(points, TEMPLATE)
            off = points @ m[:, :2].T + m[:, 2] - TEMPLATE
            assert np.sqrt((off**2).sum(axis=1)).mean() < 0.06
            assert 1 < side_in_picture(points) / box[2] < 2.5


def test_a_batch_is_as_each_alone(detector, found, portraits):
    pictures = portraits * 3
    together = detector.detect(pictures)
    for index, faces in enumerate(together):
        same(faces, found[index % 3], 0.5)
        same(faces, detector.detect([pictures[index]])[0], 0.5)


def test_results_are_the_same_every_time(detector, portraits):
    first, second = detector.detect(portraits), detector.detect(portraits)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.scores, b.scores)


def test_padding_does_not_move_faces(portraits):
    # Pixels, not a fraction: the padded picture is larger, and its smallest face would be too.
    detector = Mtcnn.load(MODEL, min_face=24)
    picture = portraits[0]
    padded = canvas_with(picture, picture.shape[0] + 37, picture.shape[1] + 150, 127)
    same(*detector.detect([padded, picture]), 2.0)


def test_neighbours_in_a_batch_do_not_matter(detector, found, portraits):
    noise = np.random.default_rng(3).integers(0, 255, (420, 380, 3), dtype=np.uint8)
    same(detector.detect([noise, portraits[0]])[1], found[0], 0.5)


def test_scale_and_grey_do_not_matter(detector, found, portraits):
    double = np.asarray(Image.fromarray(portraits[0]).resize([2 * s for s in portraits[0].shape[1::-1]]))
    huge = np.asarray(Image.fromarray(portraits[0]).resize([8 * s for s in portraits[0].shape[1::-1]]))
    grey = np.repeat(portraits[0].mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    for picture, scale in ((double, 2), (huge, 8), (grey, 1)):
        faces = detector.detect([picture])[0]
        assert len(faces) == 1
        assert iou(faces.boxes / scale, found[0].boxes)[0, 0] > 0.8


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (3, 10_000, 3), (10_000, 3, 3), (12, 12, 3), (20, 31, 3), (777, 13, 3)]
)
def test_odd_shapes_are_no_trouble(detector, shape):
    black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    assert [len(faces) for faces in detector.detect([black, white])] == [0, 0]


def test_no_pictures_no_faces(detector):
    assert detector.detect([]) == []


def test_a_landscape_has_no_face(detector):
    assert len(detector.detect([sample("rocket_launch.jpg", 640)])[0]) == 0


def test_more_faces_than_wanted_are_capped_and_said(portraits):
    faces = Mtcnn.load(MODEL, max_faces=2).detect([portraits[2]])[0]
    assert len(faces) == 2
    assert faces.capped


def test_traced_once_whatever_came(detector, portraits):
    detector.detect(portraits)
    detector.detect([portraits[1][:211, :173]])
    assert detector.traces == 1


def test_stages_are_counted(detector, found):
    windows, proposals, refined = detector.stages
    assert windows >= proposals >= refined > 0


def test_for_measuring_it_stops_behind_a_network(detector, found, portraits):
    before = detector.stages.copy()
    for stage in range(3):
        shorter = detector.until(stage)
        assert [len(faces) for faces in shorter.detect(portraits)] == [0, 0, 0]
        assert np.count_nonzero(shorter.stages) == (0, 2, 3)[stage]
    np.testing.assert_array_equal(detector.stages, before)
    same(detector.detect([portraits[0]])[0], found[0], 0.5)


@pytest.mark.parametrize(
    "setting", [{"min_face": 0}, {"min_face": 5}, {"min_face": -1}, {"min_face": float("nan")}]
)
def test_a_smallest_face_that_makes_no_sense(setting):
    with pytest.raises(UsageError, match="smallest face"):
        Mtcnn.load(MODEL, **setting)


@pytest.mark.parametrize("setting", [{"min_score": 0.1}, {"min_score": 1.0}, {"max_faces": 0}])
def test_settings_that_make_no_sense(setting):
    with pytest.raises(UsageError):
        Mtcnn.load(MODEL, **setting)


def test_not_a_picture(detector):
    with pytest.raises(ValueError, match="uint8"):
        detector.detect([np.zeros((5, 5), np.uint8)])


def test_a_missing_card(tmp_path):
    with pytest.raises(ModelError, match=r"card\.json"):
        Mtcnn.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"package": "no_such_package"}, "no_such_package"),
        ({"files": {"pnet.lz4": "0" * 64}}, "not the expected"),
        ({"files": {"absent.lz4": "0" * 64}}, "can't be read"),
        ({"output": None}, "lacks output"),
    ],
)
def test_weights_that_are_not_the_known_ones(tmp_path, change, says):
    card = json.loads((MODEL / "card.json").read_text()) | change
    card = {key: value for key, value in card.items() if value is not None}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=says) as error:
        Mtcnn.load(tmp_path)
    assert error.value.hint


def test_groups_hold_every_picture_once_and_little_padding():
    rng = np.random.default_rng(5)
    pictures = [np.zeros((*rng.integers(20, 640, 2), 3), np.uint8) for _ in range(60)]
    working = [_Working.of(picture, 0.04) for picture in pictures]
    groups = list(_grouped(working))
    assert sorted(index for group in groups for index in group) == list(range(60))
    assert len(groups) < 40
    for group in groups:
        levels = np.array([working[i].level for i in group])
        assert len(group) * levels.max(axis=0).prod() <= 1.25 * levels.prod(axis=1).sum()


def test_groups_that_run_side_by_side_are_of_like_length():
    working = [_Working.of(np.zeros((480, 640, 3), np.uint8), 20)] * 16
    assert [len(group) for group in _grouped(working, 2)] == [4, 4, 4, 4]
    assert [len(group) for group in _grouped(working[:5], 2)] == [3, 2]
    assert [len(group) for group in _grouped(working[:1], 2)] == [1]
    assert list(_grouped([], 2)) == []


def test_a_group_stays_within_its_memory():
    wide, high = np.zeros((60, 9000, 3), np.uint8), np.zeros((9000, 60, 3), np.uint8)
    working = [_Working.of(picture, 20) for picture in [wide, high] * 8]
    for group in _grouped(working):
        assert len({working[i].size for i in group}) == 1


def test_the_smallest_face_fills_one_window():
    for shape, min_face, face in [
        ((480, 640), 0.04, 25.6),
        ((100, 200), 0.04, 20),
        ((3000, 4000), 0.04, 160),
    ]:
        working = _Working.of(np.zeros((*shape, 3), np.uint8), min_face)
        assert working.scale <= 1
        assert working.scale / working.reduction * face == pytest.approx(12)
