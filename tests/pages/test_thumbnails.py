import base64
import io

import numpy as np
import pytest
from PIL import Image

from agebatch.pages.thumbnails import data_uri, square


def decoded(uri):
    head, data = uri.split(",", 1)
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(
    ("shape", "size"), [((200, 400, 3), (80, 40)), ((10, 20, 3), (20, 10)), ((90, 90), (80, 80))]
)
def test_reduced_never_enlarged(shape, size):
    assert decoded(data_uri(np.full(shape, 127, np.uint8))).size == size


@pytest.mark.parametrize(
    "box", [(0, 0, 40, 40), (170, 80, 60, 60), (-20, -20, 30, 30), (50, 50, 0, 0), (0, 0, 900, 900)]
)
def test_the_square_around_a_face_stays_in_the_picture(box):
    cut = square(np.zeros((100, 200, 3), np.uint8), box)
    assert 0 < cut.shape[0] <= 100 and 0 < cut.shape[1] <= 200


def test_the_face_is_in_the_middle_with_a_margin():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60, 90:110] = 255
    cut = square(picture, (90, 40, 20, 20))
    assert cut.shape == (30, 30, 3) and (cut[5:25, 5:25] == 255).all() and cut.sum() == 20 * 20 * 3 * 255
