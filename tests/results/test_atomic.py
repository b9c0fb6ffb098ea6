import errno
import os
import subprocess
import sys

import pytest

from agebatch.errors import OutputError
from agebatch.results import atomic
from agebatch.results.atomic import AtomicFile, beside, remove_stale


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_old_or_new_and_nothing_between(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with AtomicFile(path) as target:
        target.file.write(b"new")
        target.file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert left(tmp_path) == ["a.csv"]


def test_a_new_file_has_the_rights_that_the_user_wants(tmp_path):
    old = os.umask(0o027)
    try:
        with AtomicFile(tmp_path / "a.csv"):
            pass
    finally:
        os.umask(old)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o640


def test_through_a_link_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.csv").symlink_to("disk/real.csv")
    with AtomicFile(tmp_path / "a.csv") as target:
        target.file.write(b"new")
    assert (tmp_path / "a.csv").is_symlink()
    assert (tmp_path / "disk/real.csv").read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_refusal_while_it_is_completed_leaves_the_old_one(tmp_path, monkeypatch, code, step):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((atomic.os, "fsync") if step == "fsync" else (atomic.Path, "replace")), refuse)
    with pytest.raises(OutputError, match=r"can't write .*a\.csv"), AtomicFile(path) as target:
        target.file.write(b"new")
    assert path.read_bytes() == b"old"
    assert left(tmp_path) == ["a.csv"]


KILLED = """
import os, signal, sys
from agebatch.results.files import open_writer
from agebatch.results.schema import row
def rows():
    for i in range(10**9):
        if i == 20_000:
            print("half", flush=True)
            signal.pause()
        yield row(path=f"{i:09d}.jpg", status="ok")
with open_writer(sys.argv[1]) as writer:
    writer.write(rows())
"""


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_kill_9_in_the_middle_leaves_the_old_report(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"old")
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"half\n"
        assert len(left(tmp_path)) == 2
        remove_stale(path)
        assert len(left(tmp_path)) == 2, "a writer that lives keeps its file"
        child.kill()
    assert path.read_bytes() == b"old"
    with AtomicFile(path):
        assert len(left(tmp_path)) == 2, "the dead one's file is gone, ours is there"
    assert left(tmp_path) == [path.name]


def test_without_locks_only_age_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "fcntl", None)
    fresh, old = (beside(tmp_path / "a.csv", f".{name}.writing") for name in ("0001", "0002"))
    for file in (fresh, old):
        file.touch()
    os.utime(old, (0, 0))
    remove_stale(tmp_path / "a.csv")
    assert left(tmp_path) == [fresh.name]


def test_the_longest_name_has_room_for_what_lies_beside_it(tmp_path):
    path = tmp_path / ("ü" * 125 + ".csv")
    with AtomicFile(path) as target:
        target.file.write(b"new")
    assert path.read_bytes() == b"new"
    assert beside(path, ".lock") != beside(tmp_path / ("ü" * 124 + "u.csv"), ".lock")
    beside(path, ".journal-old").touch()


def test_a_write_protected_report_is_left_alone(tmp_path):
    path = tmp_path / "a.csv"
    path.touch(0o400)
    if os.access(path, os.W_OK):
        pytest.skip("root may write everything")
    with pytest.raises(OutputError, match="write-protected"):
        AtomicFile(path)
