import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from agebatch.pipeline import chain as module
from agebatch.pipeline.chain import Chain, Steps
from agebatch.results.schema import Status
from tests.fakes import CHIP, FakeDetector, FakePredictor


class Readers:
    """Photo n has brightness n, so n % 3 faces."""

    def __init__(self, at=None):
        self.at = at or {}
        self.reached = -1

    def look(self, todo):
        for n in todo:
            self.reached = n
            self.at.get(n, lambda: None)()
            found = SimpleNamespace(path=f"{n:05}", size=1, mtime_ns=1)
            preview = np.full((24, 32, 3), n % 256, np.uint8)
            yield SimpleNamespace(found=found, status=None, message="", width=64, height=48, preview=preview)

    def cut(self, look, points, chip):
        chips = np.full((len(points), chip, chip, 3), look.preview[0, 0, 0], np.uint8)
        return SimpleNamespace(result=lambda: chips)


def chain(count, *, readers=None, predictor=FakePredictor, most=64, **more):
    steps = Steps(readers or Readers(), FakeDetector, predictor, "m/1", **more)
    return Chain(range(count), steps, most=most)


def expected(n):
    return [round(n % 256 / 3, 1)] * (n % 256 % 3) or [None]


@pytest.mark.parametrize("count", [0, 1, 3, 17, 300])
@pytest.mark.parametrize("batch", [1, 4, 64])
def test_rows_come_in_order_each_photo_once(count, batch):
    line = chain(count, predictor=lambda: FakePredictor(batch))
    done = list(line)
    assert [photo.rows[0]["path"] for photo in done] == [f"{n:05}" for n in range(count)]
    assert [[row["age"] for row in photo.rows] for photo in done] == [expected(n) for n in range(count)]
    line.stop()
    line.join()
    assert not any(thread.is_alive() for thread in line._threads)


def test_rare_faces_do_not_hold_up_everything_behind_them(monkeypatch):
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.0)
    gate = threading.Event()
    readers = Readers(at={200: lambda: gate.wait(30)})
    line = chain(240, readers=readers, predictor=lambda: FakePredictor(1000))
    photos = iter(line)
    assert next(photos).rows and next(photos).rows[0]["age"] == 0.3, "long before the batch of 1000 is full"
    gate.set()
    assert len(list(photos)) == 238


def test_a_predictor_that_holds_a_batch_back_does_not_stop_the_line():
    class Lagging(FakePredictor):
        def predict(self, chips):
            held = []
            for answer in super().predict(chips):
                held.append(answer)
                if len(held) > self.batch_size:
                    yield held.pop(0)
            yield from held

    assert len(list(chain(400, predictor=lambda: Lagging(8), most=16))) == 400


def test_the_line_is_bounded_where_nobody_takes_from_it():
    readers = Readers()
    line = chain(100_000, readers=readers, most=32)
    photos = iter(line)
    next(photos)
    time.sleep(0.5)
    reached = readers.reached
    time.sleep(0.5)
    assert reached == readers.reached < 1000
    line.stop()
    line.join()
    assert not any(thread.is_alive() for thread in line._threads)


def test_a_photo_lost_between_look_and_cut_is_a_row():
    class Losing(Readers):
        def cut(self, look, points, chip):
            lost = SimpleNamespace(status=Status.UNREADABLE, message="gone")
            return SimpleNamespace(result=lambda: lost)

    rows = [photo.rows for photo in chain(3, readers=Losing())]
    assert [r[0]["status"] for r in rows] == ["no_face", "unreadable", "unreadable"]
    assert rows[1][0]["message"] == "gone" and rows[1][0]["width"] == 64


@pytest.mark.parametrize("where", ["look", "predict"])
def test_an_error_comes_out_as_it_is(where):
    def fail():
        raise ZeroDivisionError(where)

    class Failing(FakePredictor):
        def predict(self, chips):
            for _ in chips:
                fail()
            yield

    readers = Readers(at={20: fail} if where == "look" else {})
    line = chain(40, readers=readers, predictor=Failing if where == "predict" else FakePredictor)
    with pytest.raises(ZeroDivisionError, match=where):
        list(line)
    line.join()
    assert not any(thread.is_alive() for thread in line._threads)


def test_chips_are_kept_only_where_they_are_wanted():
    assert [len(photo.chips) for photo in chain(3, keep_chips=True)] == [0, 1, 2]
    assert [len(photo.chips) for photo in chain(3)] == [0, 0, 0]
    assert next(p for p in chain(3, keep_chips=True) if p.chips).chips[0].shape == (CHIP, CHIP, 3)


def test_a_very_short_line_moves_all_the_same():
    assert len(list(chain(200, most=1))) == 200
