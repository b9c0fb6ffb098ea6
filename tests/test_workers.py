"""A decoder that crashes, hangs, is killed or prints costs its own photo and nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agebatch.errors import AgebatchError
from agebatch.faces import alignment
from agebatch.images.discovery import Found
from agebatch.images.reading import Unread, decode, read
from agebatch.results.schema import Status
from agebatch.workers import Readers
from tests import zoo

FACE = (alignment.TEMPLATE * 60 + (40, 20)).astype(np.float32)  # a chip of 60 original pixels at (40, 20)


def poisoned(path: str, **options: object):
    """Reads as usual, but does what a photo's name says."""
    name = Path(path).stem
    if "segfault" in name:
        ctypes.string_at(0)
    if "abort" in name:
        os.abort()
    if "leave" in name:
        os._exit(3)
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in name:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        time.sleep(600)
    if "second time" in name and not name.startswith("_"):
        marker = Path(path).with_name("_marker")
        if marker.exists():
            os.abort()
        marker.touch()
    if "raise" in name:
        raise RecursionError("deep\nin the decoder")
    if "memory" in name:
        raise MemoryError
    if "modules" in name:
        loaded = [name for name in ("tensorflow", "pandas", "matplotlib", "rich") if name in sys.modules]
        return Unread(Status.UNREADABLE, f"loaded: {loaded}")
    if "print" in name:
        os.write(1, b"on stdout\n")
        os.write(2, b"on stderr\n")
    return decode(path, **options)


def photos(folder: Path, names: list[str], size: tuple[int, int] = (160, 120)) -> list[Found]:
    found = []
    for name in names:
        path = folder / f"{name}.jpg"
        zoo.noisy(size).save(path, quality=92)
        found.append(Found(str(path), path.stat().st_size, path.stat().st_mtime_ns))
    return found


def test_poison_costs_its_own_photo(tmp_path, capfd):
    kinds = "fine segfault fine fine abort hang leave raise memory killed print modules fine fine"
    names = [f"{i:02d} {kind}" for i, kind in enumerate(kinds.split())]
    with Readers(2, 96, timeout=3, decoder=poisoned) as readers:
        looks = list(readers.look(photos(tmp_path, names)))
    assert [Path(look.found.path).stem for look in looks] == names
    said = {name.split()[1]: look.message for name, look in zip(names, looks, strict=True) if look.status}
    assert said == {
        "segfault": "the decoder crashed (signal 11)",
        "abort": "the decoder crashed (signal 6)",
        "hang": "the decoder took longer than 3 s",
        "leave": "the decoder crashed (exit code 3)",
        "raise": "RecursionError: deep in the decoder",
        "memory": "not enough memory to decode it",
        "killed": "the decoder was killed (signal 9), perhaps because memory ran out",
        "modules": "loaded: []",
    }
    for look in looks:
        if look.status is None:
            assert look.preview.shape == (120, 160, 3)
            assert (look.width, look.height, look.message) == (160, 120, "")
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.glob("core*"))


def test_a_crash_while_cutting_costs_its_own_photo(tmp_path):
    found = photos(tmp_path, ["0 fine", "1 second time", "2 fine"], (800, 600))
    with Readers(1, 96, decoder=poisoned) as readers:
        looks = list(readers.look(found))
        # Finer than what the preview's decoding kept, so that the photo is decoded again.
        futures = [readers.cut(look, FACE[None], 100) for look in looks]
        results = [future.result(timeout=30) for future in futures]
    assert [type(result) for result in results] == [np.ndarray, Unread, np.ndarray]
    assert results[1] == Unread(Status.UNREADABLE, "the decoder crashed (signal 6)", 800, 600)


def test_chips_come_from_the_best_pixels(tmp_path):
    found = photos(tmp_path, ["large"], (1600, 1200))
    full = read(found[0].path).pixels
    faces = np.stack([FACE, FACE * 8, FACE + np.float32([1400, 1100])]).astype(np.float32)
    with Readers(1, 160) as readers:
        (look,) = readers.look(found)
        assert look.preview.shape == (150, 200, 3)
        chips = readers.cut(look, faces, 64).result(timeout=30)
        assert readers.cut(look, faces[:0], 64).result(timeout=30).shape == (0, 64, 64, 3)
    assert chips.shape == (3, 64, 64, 3)
    for chip, points in zip(chips, faces, strict=True):
        wanted = alignment.cut(Image.fromarray(full), points, 64).astype(int)
        assert np.abs(chip - wanted).mean() < 6


def a_third(width: int, height: int) -> int:
    return max(width, height) // 3


def test_previews_can_be_as_large_as_each_photo_needs(tmp_path):
    with Readers(1, 40, wanted_side=a_third) as readers:
        small, large = readers.look(
            [*photos(tmp_path, ["a"], (90, 60)), *photos(tmp_path, ["b"], (600, 300))]
        )
    assert small.preview.shape == (20, 30, 3)
    assert large.preview.shape == (20, 40, 3), "never above the side"


def test_pre_cropped_pictures_come_whole(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (80, 40), "white").save(path)
    with Readers(1, 640, pre_cropped=64) as readers:
        (look,) = readers.look([Found(str(path), 1, 1)])
    assert (look.width, look.height) == (80, 40)
    assert look.preview.shape == (64, 64, 3)
    assert look.preview[32, 5].tolist() == [255] * 3
    assert look.preview[5, 32].tolist() == [0] * 3


def test_the_zoo_through_processes(tmp_path):
    expected = zoo.make_zoo(tmp_path)
    names = sorted(expected, key=os.fsencode)
    with Readers(2, 640) as readers:
        looks = list(readers.look(Found(os.path.join(tmp_path, name), 0, 0) for name in names))
    for name, look in zip(names, looks, strict=True):
        assert look.found.path.endswith(name)
        assert look.status is expected[name].status, look
        assert expected[name].message in look.message


def test_a_cut_may_be_asked_for_from_another_thread(tmp_path):
    found = photos(tmp_path, [f"{i:03d}" for i in range(40)])
    shapes = []
    with Readers(2, 96) as readers:
        threads = []
        for look in readers.look(found):
            cut = threading.Thread(
                target=lambda one=look: shapes.append(readers.cut(one, FACE[None], 48).result().shape)
            )
            cut.start()
            threads.append(cut)
        for cut in threads:
            cut.join()
    assert shapes == [(1, 48, 48, 3)] * 40


def test_looking_ahead_is_bounded(tmp_path):
    found = photos(tmp_path, ["one"]) * 100
    taken = []
    with Readers(2, 96) as readers:
        looks = readers.look(taken.append(one) or one for one in found)
        next(looks)
        assert len(taken) <= 10
        looks.close()


def test_signals_meant_for_the_run_do_not_end_its_children(tmp_path):
    found = photos(tmp_path, ["a", "b"])
    with Readers(1, 96) as readers:
        assert len(list(readers.look(found))) == 2
        pid = readers._lanes[0].link._process.pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        assert [look.status for look in readers.look(found)] == [None, None]
        assert readers._lanes[0].link._process.pid == pid


def test_an_idle_child_that_was_killed_is_replaced(tmp_path):
    found = photos(tmp_path, ["a", "b"])
    with Readers(1, 96) as readers:
        list(readers.look(found))
        os.kill(readers._lanes[0].link._process.pid, signal.SIGKILL)
        time.sleep(0.2)
        assert [look.status for look in readers.look(found)] == [None, None]


def test_leaving_ends_a_child_at_work_and_cancels(tmp_path):
    started = time.monotonic()
    with Readers(1, 96, decoder=poisoned) as readers:
        looks = readers.look(photos(tmp_path, ["fine", "hang"]))
        next(looks)
        process = readers._lanes[0].link._process
    assert time.monotonic() - started < 20
    assert process.poll() is not None
    with pytest.raises(CancelledError):
        next(iter(readers.look(photos(tmp_path, ["more"]))))


def test_children_that_cannot_start_end_the_run_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("agebatch.workers.link._BOOT", "raise SystemExit('no such library')")
    with pytest.raises(AgebatchError, match="no such library"), Readers(1, 96) as readers:
        list(readers.look(photos(tmp_path, ["a"])))


def test_children_end_with_a_parent_that_is_killed(tmp_path):
    (found,) = photos(tmp_path, ["a"])
    code = f"""if True:
        import os, signal
        from agebatch.images.discovery import Found
        from agebatch.workers import Readers
        readers = Readers(1, 96).__enter__()
        list(readers.look([Found({found.path!r}, 1, 1)]))
        print(readers._lanes[0].link._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    parent = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False, text=True)
    pid = int(parent.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or ") Z " in stat.read_text():
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child outlived its parent")
