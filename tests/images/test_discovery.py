"""Every candidate once, in the order of bytes, whatever folders and names look like."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from agebatch.errors import InputError
from agebatch.images.discovery import Found, Skipped, Walk, discover


def grow(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def walk(*paths: object, **options: object) -> list[str]:
    """What is found, below the first path where it lies there."""
    found = [one.path for one in discover(Walk(paths=tuple(str(path) for path in paths), **options))]
    assert found == sorted(found, key=os.fsencode)
    return [path.removeprefix(f"{paths[0]}/") if paths else path for path in found]


def test_candidates_are_sorted_by_bytes_and_carry_size_and_time(tmp_path):
    names = ["b.jpg", "a/z.PNG", "a.jpg", "a-b/x.webp", "é.heic", "a/b/c.tiff", "Z.avif", "notes.txt", "jpg"]
    grow(tmp_path, *names)
    found = list(discover(Walk(paths=(str(tmp_path),))))
    assert [one.path for one in found] == sorted(f"{tmp_path}/{name}" for name in names[:-2])
    status = os.stat(tmp_path / "b.jpg")
    assert Found(f"{tmp_path}/b.jpg", 1, status.st_mtime_ns) in found


def test_limit_and_laziness(tmp_path):
    grow(tmp_path, *(f"{i:03d}.jpg" for i in range(50)))
    assert walk(tmp_path, limit=3) == ["000.jpg", "001.jpg", "002.jpg"]


def test_globs_match_the_path_below_the_root_or_the_name(tmp_path):
    grow(tmp_path, "2019/a.jpg", "2019/b.png", "2020/a.jpg", "2020/deep/c.jpg", "a.jpg")
    assert walk(tmp_path, include=("*.png", "2020/*")) == ["2019/b.png", "2020/a.jpg", "2020/deep/c.jpg"]
    assert walk(tmp_path, exclude=("a.jpg",)) == ["2019/b.png", "2020/deep/c.jpg"]
    assert walk(tmp_path, exclude=("2020",)) == ["2019/a.jpg", "2019/b.png", "a.jpg"]
    assert walk(tmp_path, include=("2019/*",), exclude=("*.png",)) == ["2019/a.jpg"]


def test_clutter_and_hidden_files_stay_out_unless_asked(tmp_path):
    grow(
        tmp_path,
        "a.jpg",
        ".b.jpg",
        ".hidden/c.jpg",
        "@eaDir/d.jpg",
        "#recycle/e.jpg",
        ".Trash-1000/f.jpg",
        "__MACOSX/._g.jpg",
        "lost+found/h.jpg",
    )
    assert walk(tmp_path) == ["a.jpg"]
    assert walk(tmp_path, hidden=True) == [".b.jpg", ".hidden/c.jpg", "a.jpg"]
    assert walk(tmp_path, exclude_dirs=("lost*",)) == ["#recycle/e.jpg", "@eaDir/d.jpg", "a.jpg"]
    assert walk(tmp_path / ".hidden") == ["c.jpg"], "a root that was named is meant"


def test_overlapping_roots_give_each_file_once(tmp_path, monkeypatch):
    grow(tmp_path, "a/x.jpg", "a/b/y.jpg", "a/b/z.jpg", "c.jpg")
    once = ["a/b/y.jpg", "a/b/z.jpg", "a/x.jpg", "c.jpg"]
    assert walk(tmp_path, tmp_path / "a", tmp_path / "a/b", f"{tmp_path}/a/") == once
    assert walk(tmp_path, tmp_path / "a/x.jpg", tmp_path / "a/b/../x.jpg", tmp_path / "a/x.jpg") == once
    monkeypatch.chdir(tmp_path)
    found = walk(".", "a", str(tmp_path), "c.jpg")
    assert sorted(Path(path).name for path in found) == ["c.jpg", "x.jpg", "y.jpg", "z.jpg"]


def test_followed_links_do_not_loop(tmp_path):
    grow(tmp_path, "a/x.jpg", "b/y.jpg")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    (tmp_path / "b/to a").symlink_to("../a")
    (tmp_path / "link.jpg").symlink_to("a/x.jpg")
    (tmp_path / "album.jpg").symlink_to("a")
    skipped: list[Skipped] = []
    found = discover(Walk(paths=(str(tmp_path),)), skipped.append)
    assert [Path(one.path).name for one in found] == ["x.jpg", "y.jpg", "link.jpg"]
    assert {Path(one.path).name for one in skipped} == {"up", "to a", "album.jpg"}
    assert all("--follow-symlinks" in one.reason for one in skipped)
    followed = walk(tmp_path, follow_symlinks=True)
    assert sorted(Path(path).name for path in followed) == ["link.jpg", "x.jpg", "y.jpg"]


def test_many_links_between_folders_cost_no_more_than_the_folders(tmp_path):
    for i in range(12):
        grow(tmp_path, f"{i}/photo.jpg")
    for i in range(12):
        for j in range(12):
            (tmp_path / f"{i}/to {j}").symlink_to(tmp_path / str(j))
    assert len(walk(tmp_path, follow_symlinks=True)) == 12


@pytest.fixture
def far_down(tmp_path, monkeypatch):
    """A folder in which a picture lies too deep to be named; gone afterwards, since pytest can't remove it."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2500):
        Path("d").mkdir()
        os.chdir("d")
    Path("deep.jpg").touch()
    os.chdir(tmp_path)
    yield tmp_path
    for _ in range(2500):
        os.chdir("d")
    Path("deep.jpg").unlink()
    for _ in range(2500):
        os.chdir("..")
        Path("d").rmdir()


def test_deep_nesting_ends_where_the_file_system_does(far_down):
    grow(far_down, "a.jpg")
    skipped: list[Skipped] = []
    found = list(discover(Walk(paths=(str(far_down),)), skipped.append))
    assert [Path(one.path).name for one in found] == ["a.jpg"]
    assert len(skipped) == 1
    assert "too long" in skipped[0].reason


def test_strange_names_survive(tmp_path):
    names = [b"caf\xe9.jpg", b"two\nlines.jpg", b"=cmd().jpg", b"\xff\xfe.jpg", "🙂.jpg".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    found = [os.fsencode(one.path).rpartition(b"/")[2] for one in discover(Walk(paths=(str(tmp_path),)))]
    assert found == sorted(names)


def test_a_root_that_looks_like_a_formula_or_an_option_is_made_harmless(tmp_path, monkeypatch):
    grow(tmp_path, "=sum/a.jpg", "-rf.jpg", "@home/b.jpg", "plain/c.jpg")
    monkeypatch.chdir(tmp_path)
    found = [one.path for one in discover(Walk(paths=("=sum", "-rf.jpg", "@home/", "plain//")))]
    assert found == ["./-rf.jpg", "./=sum/a.jpg", "./@home/b.jpg", "plain/c.jpg"]


def test_named_files_are_candidates_whatever_they_are_called(tmp_path):
    grow(tmp_path, "scan0001", "a.txt", ".hidden.jpg")
    assert walk(tmp_path / "scan0001", tmp_path / "a.txt", tmp_path / ".hidden.jpg", exclude=("*",)) == [
        f"{tmp_path}/.hidden.jpg",
        f"{tmp_path}/a.txt",
        f"{tmp_path}/scan0001",
    ]


@pytest.mark.parametrize("name", ["missing", "missing.jpg", "", "a\0b", "file.jpg/below"])
def test_a_missing_root_ends_the_run_and_says_which(tmp_path, name):
    grow(tmp_path, "file.jpg")
    with pytest.raises(InputError) as caught:
        discover(Walk(paths=(str(tmp_path), f"{tmp_path}/{name}" if name else "")))
    assert caught.value.exit_code == 3


def test_what_is_gone_or_broken_is_found_with_size_zero(tmp_path):
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    found = list(discover(Walk(paths=(str(tmp_path), f"{tmp_path}/broken.jpg"))))
    assert [(Path(one.path).name, one.size) for one in found] == [("broken.jpg", 0), ("loop.jpg", 0)]


def test_pipes_and_devices_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    skipped: list[Skipped] = []
    assert not list(discover(Walk(paths=(str(tmp_path), "/dev/null")), skipped.append))
    assert {Path(one.path).name for one in skipped} == {"pipe.jpg", "null"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_skipped_with_a_reason(tmp_path):
    grow(tmp_path, "a.jpg", "locked/b.jpg")
    (tmp_path / "locked").chmod(0)
    skipped: list[Skipped] = []
    found = list(discover(Walk(paths=(str(tmp_path),)), skipped.append))
    (tmp_path / "locked").chmod(0o700)
    assert [Path(one.path).name for one in found] == ["a.jpg"]
    assert "Permission denied" in skipped[0].reason


def test_our_own_output_is_never_scanned(tmp_path):
    grow(tmp_path, "a.jpg", "crops/b.jpg", "deep/crops/c.jpg", "report.jpg")
    never = frozenset({str(tmp_path / "crops"), str(tmp_path / "report.jpg")})
    assert walk(tmp_path, never=never) == ["a.jpg", "deep/crops/c.jpg"]
    assert walk(tmp_path / "report.jpg", never=never) == []


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_lists_of_files(tmp_path, monkeypatch, separator):
    grow(tmp_path, "a.jpg", "b/c.jpg", "b/d.txt", "e")
    lines = [b"e", b"", b"b", b"gone.jpg", b"a.jpg", b"a.jpg", b"caf\xe9"]
    monkeypatch.chdir(tmp_path)
    Path("list").write_bytes(separator.join(lines) + separator)
    wanted = ["a.jpg", "b/c.jpg", os.fsdecode(b"caf\xe9"), "e", "gone.jpg"]
    assert [one.path for one in discover(Walk(files_from="list"))] == wanted
    stdin = io.TextIOWrapper(io.BytesIO(separator.join(lines)))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert [one.path for one in discover(Walk(files_from="-"))] == wanted


def test_names_with_newlines_in_a_nul_separated_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grow(tmp_path, "two\nlines.jpg")
    Path("list").write_bytes(b"two\nlines.jpg\0")
    (found,) = discover(Walk(files_from="list"))
    assert (found.path, found.size) == ("two\nlines.jpg", 1)


def test_a_missing_list_ends_the_run(tmp_path):
    with pytest.raises(InputError, match="list of files"):
        discover(Walk(files_from=str(tmp_path / "nothing")))
