"""Faults for real, in processes of their own; the final report equals that of an uninterrupted run.

Detector and model are fake, so that a run takes a second; processes, files and signals are real.
"""

import contextlib
import csv
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes import photo

PHOTOS = 160
ENTRY = Path(__file__).with_name("fake_scan.py")


def command(*more, output="r.csv"):
    return [sys.executable, str(ENTRY), "scan", "photos", "-o", output, "--no-progress", *more]


STARTED = []


@pytest.fixture(autouse=True)
def _end_what_was_started():
    yield
    for process in STARTED:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stderr.close()
    STARTED.clear()


def start(*more, pace=0.004, limit=None, shard=16, output="r.csv"):
    def prepare():
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.Popen(
        command(*more, output=output),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FAKE_PACE": str(pace), "FAKE_SHARD": str(shard)},
        preexec_fn=prepare if limit is not None else None,  # noqa: PLW1509 - no threads here
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def finish(*more, expect=0, **how):
    process = start(*more, **how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == expect, err
    return err


def parts(output="r.csv"):
    return sorted(Path(f".{output}.journal").glob("part-*.jsonl"))


def wait_for(condition, process, seconds=30):
    give_up = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Photos, and the report of an uninterrupted run over them."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(PHOTOS):
        photo(folder / f"photos/d{number % 4}/p{number:03}.png", number)
    (folder / "photos/text.jpg").write_text("no picture")
    before = Path.cwd()
    os.chdir(folder)
    try:
        finish(output="whole.csv", pace=0)
        yield folder, (folder / "whole.csv").read_bytes()
    finally:
        os.chdir(before)


@pytest.fixture
def whole(archive):
    folder, content = archive
    for stray in [*folder.glob("r.csv*"), *folder.glob(".r.csv*")]:
        subprocess.run(["rm", "-rf", str(stray)], check=True)
    return content


def session_of(pid):
    """The session of a process that still runs (Linux); 0 for one that is gone or only waits to be buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[3])


def assert_no_child_is_left(process):
    """Nobody of the process's session lives on."""
    give_up = time.monotonic() + 10
    while alive := [p.name for p in Path("/proc").glob("[0-9]*") if session_of(p.name) == process.pid]:
        assert time.monotonic() < give_up, alive
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_random_moments_the_same_command_goes_on(whole, number):
    moments = random.Random(int(number))
    for _ in range(3):
        process = start()
        wanted = len(parts()) + moments.randint(1, 2)
        wait_for(lambda wanted=wanted: len(parts()) >= wanted, process)
        time.sleep(moments.random() * 0.05)
        began = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=30)
        assert time.monotonic() - began < 5
        assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}.get(number, -number)
        assert not Path("r.csv").exists()
        assert_no_child_is_left(process)
    err = finish(pace=0)
    assert " unchanged" in err
    assert Path("r.csv").read_bytes() == whole
    assert not parts()
    assert "nothing to compute" in finish()


def test_an_interruption_says_what_is_kept_and_loses_at_most_a_shard(whole):
    process = start()
    wait_for(lambda: len(parts()) >= 3, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "interrupted (Ctrl-C); " in err and "done and kept" in err and "Traceback" not in err
    kept = {row.split(",")[0] for part in parts() for row in part.read_text().splitlines()[:-1]}
    assert len(kept) >= 48


# Previews of 8 pixels: the memory that is shared with the reading processes falls under the limit too.
SMALL = "--pre-cropped"


def test_a_disk_that_is_full_while_the_journal_is_written(whole):
    assert "can't write" in finish(SMALL, limit=8000, shard=100, expect=5)
    assert not Path("r.csv").exists()
    finish(SMALL, pace=0)
    assert len(Path("r.csv").read_text().splitlines()) == PHOTOS + 2


def test_a_disk_that_is_full_while_the_report_is_written_leaves_the_old_one(whole):
    finish(SMALL, pace=0)
    old = Path("r.csv").read_bytes()
    stamp = Path("photos/d0/p000.png").stat().st_mtime_ns
    try:
        os.utime("photos/d0/p000.png", ns=(1, 1))
        assert "can't write" in finish(SMALL, limit=10_000, expect=5)
        assert Path("r.csv").read_bytes() == old
        assert parts(), "what was computed is kept"
    finally:
        os.utime("photos/d0/p000.png", ns=(1, stamp))
    finish(SMALL, pace=0)
    assert Path("r.csv").read_bytes() == old


def test_a_damaged_part_is_computed_again(whole):
    process = start()
    wait_for(lambda: len(parts()) >= 3, process)
    process.kill()
    process.communicate()
    first, second, *_ = parts()
    first.write_bytes(first.read_bytes()[:-40])
    second.write_bytes(second.read_bytes().replace(b"ok", b"ko", 1))
    err = finish(pace=0)
    assert err.count("is damaged") == 2
    assert Path("r.csv").read_bytes() == whole


def test_files_deleted_and_replaced_during_the_scan(whole):
    gone, changed = Path("photos/d3/p159.png"), Path("photos/d3/p155.png")
    keep = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (gone, changed)}
    process = start()
    wait_for(parts, process)
    gone.unlink()
    photo(changed, 200)
    process.communicate(timeout=60)
    try:
        assert process.returncode == 0
        rows = {row["path"]: row for row in csv.DictReader(Path("r.csv").read_text().splitlines())}
        assert rows[str(gone)]["status"] == "unreadable"
    finally:
        for path, (content, mtime) in keep.items():
            path.write_bytes(content)
            os.utime(path, ns=(mtime, mtime))
    if rows[str(changed)]["age"]:  # it was replaced before it was read, and now it is back
        os.utime(changed, ns=(1, 1))
        finish(pace=0)
        os.utime(changed, ns=(1, keep[changed][1]))
    finish(pace=0)
    assert Path("r.csv").read_bytes() == whole


def test_a_clock_that_is_set_back_changes_nothing(whole):
    process = start()
    wait_for(parts, process)
    process.kill()
    process.communicate()
    for part in parts():
        os.utime(part, (4e9, 4e9))  # from the future, as after a clock that was wrong
    finish(pace=0)
    assert Path("r.csv").read_bytes() == whole


def test_two_runs_at_once(whole):
    first = start(pace=0.04)
    wait_for(parts, first)
    err = finish(expect=75)
    assert "another run is writing r.csv" in err and str(first.pid) in err
    second = start("--wait", "60")
    assert first.wait(60) == 0
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0 and "nothing to compute" in err
    assert Path("r.csv").read_bytes() == whole


def test_a_reader_that_stops_reading(whole):
    line = f"'{sys.executable}' '{ENTRY}' scan photos -o - 2>err.txt | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, check=True)
    assert done.stdout.startswith(b"path,status,")
    assert "Traceback" not in Path("err.txt").read_text()
    Path("err.txt").unlink()
