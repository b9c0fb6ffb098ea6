import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from agebatch.errors import BusyError, ExitCode, OutputError
from agebatch.results import lock as lock_module
from agebatch.results.lock import Lock

HOLD = """
import sys
from agebatch.results.lock import Lock
with Lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read(1)
"""


@pytest.fixture
def output(tmp_path):
    return tmp_path / "r.csv"


@pytest.fixture
def other(output):
    """Another process that holds the lock until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"held\n"
        yield child
        child.kill()


def test_the_second_run_is_told_who_holds_it(output, other):
    with pytest.raises(BusyError) as caught:
        Lock(output)
    assert f"process {other.pid} on " in str(caught.value)
    assert caught.value.exit_code == ExitCode.BUSY
    assert "--wait" in caught.value.hint


def test_through_a_link_it_is_the_same_report(output, other, tmp_path):
    (tmp_path / "link.csv").symlink_to(output)
    with pytest.raises(BusyError):
        Lock(tmp_path / "link.csv")


def test_a_killed_run_leaves_nothing_in_the_way(output, other, tmp_path):
    other.kill()
    other.wait()
    assert (tmp_path / ".r.csv.lock").exists()
    with Lock(output) as lock:
        assert lock.held
    assert list(tmp_path.iterdir()) == []


def test_waiting_is_rewarded(output, other):
    told = []
    threading.Timer(0.3, other.stdin.close).start()
    with Lock(output, wait=20, on_warning=told.append) as lock:
        assert lock.held
    assert len(told) == 1
    assert f"process {other.pid}" in told[0]


def test_waiting_ends(output, other):
    start = time.monotonic()
    with pytest.raises(BusyError):
        Lock(output, wait=0.3)
    assert 0.3 <= time.monotonic() - start < 5


def test_one_holder_at_a_time_through_many_releases(output):
    inside, most, problems = [], [], []

    def run():
        try:
            for _ in range(15):
                with Lock(output, wait=60):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.001)
                    inside.pop()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    lock_poll = lock_module._POLL_S
    lock_module._POLL_S = 0.001
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        lock_module._POLL_S = lock_poll
    assert not problems
    assert (max(most), len(most)) == (1, 45)


@pytest.mark.parametrize("broken", ["flock", "module"])
def test_without_locks_the_run_goes_on_and_says_so(output, tmp_path, monkeypatch, broken):
    if broken == "module":
        monkeypatch.setattr(lock_module, "fcntl", None)
    else:

        def refuse(*_):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(lock_module.fcntl, "flock", refuse)
    told = []
    with Lock(output, on_warning=told.append) as lock:
        assert not lock.held
    assert len(told) == 1
    assert "no file locks" in told[0]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_text_that_says_nothing(output, tmp_path, other):
    for text in (b"", b"[]", b"{", b'{"pid": 1, "host": "\\u001b[31m", "since": "now"}'):
        (tmp_path / ".r.csv.lock").write_bytes(text)
        with pytest.raises(BusyError) as caught:
            Lock(output)
        assert str(caught.value).isprintable()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError) as caught:
        Lock(tmp_path / "missing" / "r.csv")
    assert "mkdir" in caught.value.hint


def test_children_do_not_inherit_it(output):
    with Lock(output):
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    try:
        Lock(output).release()
    finally:
        child.communicate(b"\n")
