"""Runs that end badly, for real and in a process of their own; the report must come out the same."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agebatch.errors import ExitCode
from agebatch.results.formats import FORMATS

IMAGES = 320
SCRIPT = Path(__file__).with_name("small_scan.py")


def command(output, mode="run", images=IMAGES, limit=()):
    return [sys.executable, str(SCRIPT), str(output), mode, str(images), *map(str, limit)]


def scan(*args, **options):
    return subprocess.run(command(*args, **options), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What an uninterrupted run writes, by suffix: for 320 images, and for the first 160 of them."""
    folder = tmp_path_factory.mktemp("whole")
    made = {}
    for suffix in FORMATS:
        for images in (IMAGES, IMAGES // 2):
            output = folder / f"{images}{suffix}"
            assert scan(output, images=images).returncode == 0
            made[suffix, images] = output.read_bytes()
    return made


@pytest.mark.parametrize("suffix", FORMATS)
def test_kill_9_at_random_moments(tmp_path, expected, suffix):
    output = tmp_path / f"r{suffix}"
    output.write_bytes(expected[suffix, IMAGES // 2])
    chance = random.Random(suffix)
    shards = 0
    for _ in range(4):
        with subprocess.Popen(command(output, "slow"), stdout=subprocess.PIPE) as child:
            kept = 0
            for _ in range(chance.randint(1, 4)):
                kept += child.stdout.readline() == b"kept\n"
            try:
                child.wait(chance.random() * 0.05)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
            kept += child.stdout.read().count(b"kept")
        shards += kept
        assert output.read_bytes() in (expected[suffix, IMAGES // 2], expected[suffix, IMAGES])
    last = scan(output)
    assert last.returncode == 0
    carried, computed = map(int, last.stdout.split()[-3::2])
    assert carried + computed == IMAGES
    assert carried >= IMAGES // 2 + 16 * shards, "what was said to be kept is kept"
    assert output.read_bytes() == expected[suffix, IMAGES]
    assert [p.name for p in tmp_path.iterdir()] == [output.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_disk_that_fills(tmp_path, expected, suffix):
    old, new = expected[suffix, IMAGES // 2], expected[suffix, IMAGES]
    output = tmp_path / f"r{suffix}"
    output.write_bytes(old)
    for limit in (1, 3000, len(new) - 1):  # in the first part of the journal, in a later one, in the report
        ended = scan(output, limit=[limit])
        assert ended.returncode == ExitCode.OUTPUT
        assert "can't write" in ended.stderr
        assert "File too large" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "Exception ignored" not in ended.stderr
        assert output.read_bytes() == old
        assert not list(tmp_path.rglob("*.writing"))
    ended = scan(output)
    assert ended.returncode == 0
    if len(new) > 3000:
        assert "computed 0" in ended.stdout, "all that was computed before the report was kept"
    assert output.read_bytes() == new


def test_two_runs_at_once(tmp_path, expected):
    output = tmp_path / "r.csv"
    with subprocess.Popen(command(output, "slow"), stdout=subprocess.PIPE) as first:
        first.stdout.readline()
        first.send_signal(signal.SIGSTOP)  # however slow this machine is, the first run isn't over
        second = scan(output)
        assert second.returncode == ExitCode.BUSY
        assert f"process {first.pid}" in second.stderr
        first.send_signal(signal.SIGCONT)
        first.communicate()
    assert first.returncode == 0
    assert output.read_bytes() == expected[".csv", IMAGES]
