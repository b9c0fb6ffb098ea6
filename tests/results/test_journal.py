import errno
import os
import random

import pytest

from agebatch.errors import OutputError
from agebatch.results import atomic
from agebatch.results.journal import Journal, group_images, merge_images

from .conftest import MODEL, bad_name_rows, face


@pytest.fixture
def output(tmp_path):
    return tmp_path / "r.csv"


def paths(journal, model=None):
    return [image.rows[0]["path"] for image in journal.images(model)]


def test_what_was_kept_comes_back_sorted_and_grouped(output, rows):
    journal = Journal(output)
    assert not journal
    odd, even = [], []
    for i, image in enumerate(group_images(rows)):
        (odd if i % 2 else even).append(image.rows)
    for half in (odd, even):
        random.Random(1).shuffle(half)
        journal.commit(r for image in half for r in image)
    for again in (journal, Journal(output)):
        assert again
        assert [r for image in again.images() for r in image.rows] == sorted(
            rows, key=lambda r: os.fsencode(r["path"])
        )


def test_bad_names_and_texts_survive(output):
    rows = bad_name_rows()
    Journal(output).commit(rows)
    assert [image.rows[0] for image in Journal(output).images()] == rows


def test_of_two_results_the_newer_is_right(output):
    journal = Journal(output)
    journal.commit([face("a.jpg", age=1), face("b.jpg", 0, 2, age=1), face("b.jpg", 1, 2)])
    journal.commit([face("b.jpg", age=2), face("c.jpg", age=2)])
    for again in (journal, Journal(output)):
        found = [(i.rows[0]["path"], len(i.rows), i.rows[0]["age"]) for i in again.images()]
        assert found == [("a.jpg", 1, 1), ("b.jpg", 1, 2), ("c.jpg", 1, 2)]


def test_a_result_of_the_wanted_model_goes_before_a_newer_one(output):
    journal = Journal(output)
    journal.commit([face("a.jpg", age=1)])
    journal.commit([face("a.jpg", age=2, model="other")])
    assert [i.rows[0]["age"] for i in journal.images()] == [2]
    assert [i.rows[0]["age"] for i in journal.images(MODEL)] == [1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[: len(b) // 2],
        lambda b: b[:-20],
        lambda b: b.replace(b"31.3", b"13.3"),
        lambda b: b.replace(b"\n", b" ", 1),
        lambda b: os.urandom(len(b)),
        lambda b: b.split(b"\n", 1)[1],
    ],
)
def test_a_damaged_part_counts_as_absent_and_is_told(output, damage):
    journal = Journal(output)
    journal.commit([face("a.jpg"), face("b.jpg")])
    journal.commit([face("c.jpg")])
    part = journal.parts[0].file
    part.write_bytes(damage(part.read_bytes()))
    told = []
    looked = Journal(output, told.append, read_only=True)
    assert part.exists(), "a dry run only looks"
    assert paths(looked) == ["c.jpg"]
    assert paths(Journal(output, told.append)) == ["c.jpg"]
    assert not part.exists()
    assert len(told) == 2
    assert "computed again" in told[0]
    Journal(output, told.append).commit([face("a.jpg")])
    assert paths(Journal(output, told.append)) == ["a.jpg", "c.jpg"]
    assert len(told) == 2


def test_removed_in_one_step(output, tmp_path, monkeypatch):
    journal = Journal(output)
    journal.remove()
    journal.commit([face("a.jpg")])
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # power loss before the parts are deleted
    journal.remove()
    assert not journal
    assert not Journal(output)
    monkeypatch.undo()
    journal = Journal(output)
    journal.commit([face("b.jpg")])
    journal.remove()
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_half_written_parts_are_cleared(output):
    Journal(output).commit([face("a.jpg")])
    half = Journal(output).folder / ".part-000002.jsonl.0f0f.writing"
    half.write_bytes(b"[")
    assert paths(Journal(output)) == ["a.jpg"]
    assert not half.exists()


def test_a_full_disk_loses_only_the_shard_at_hand(output, monkeypatch):
    journal = Journal(output)
    journal.commit([face("a.jpg")])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(OutputError, match="No space left") as caught:
            journal.commit([face("b.jpg")])
        assert "what is done is kept" in caught.value.hint
    assert paths(journal) == paths(Journal(output)) == ["a.jpg"]
    assert len(list(journal.folder.iterdir())) == 1
    journal.commit([face("b.jpg")])
    assert paths(Journal(output)) == ["a.jpg", "b.jpg"]


def test_only_overlapping_parts_are_open_together(output, monkeypatch):
    journal = Journal(output)
    for i in range(20):
        journal.commit([face(f"{i:02d}-{j}.jpg") for j in range(3)])
    opened = []
    real = Journal.__init__.__globals__["_images_of"]
    monkeypatch.setattr(
        "agebatch.results.journal._images_of", lambda part, model: opened.append(part) or real(part, model)
    )
    images = journal.images()
    for _ in range(4):
        next(images)
    assert len(opened) <= 3


def test_merge_keeps_the_right_one():
    old = group_images([face("a.jpg", age=1), face("b.jpg", age=1)])
    new = group_images([face("b.jpg", age=2), face("c.jpg", age=2)], age=1)
    assert [i.rows[0]["age"] for i in merge_images(old, new)] == [1, 2, 2]
