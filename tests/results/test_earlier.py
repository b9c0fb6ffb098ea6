import itertools
import os
import tracemalloc
from typing import NamedTuple

import pytest

from agebatch.errors import InputError, OutputError
from agebatch.results.content import checksum_of
from agebatch.results.earlier import Earlier, Rules
from agebatch.results.files import open_writer, read_rows
from agebatch.results.formats import FORMATS
from agebatch.results.journal import Journal
from agebatch.results.todo import Todo

from .conftest import MODEL, NAMES_ON_DISK, face, unread


class Found(NamedTuple):
    path: str
    size: int
    mtime_ns: int


RULES = Rules(MODEL, roots=("photos", "more"))


def walk(*names, size=10, mtime_ns=1000):
    return [Found(path, size, mtime_ns) for path in sorted(names, key=os.fsencode)]


def compute(found, age=30.0, faces=None, model=MODEL, checksum=None):
    """The rows that a scan would make; `b` has two faces, `e` is broken."""
    values = {"file_size": found.size, "file_mtime_ns": found.mtime_ns, "model": model, "checksum": checksum}
    name = found.path.rpartition("/")[2]
    if name.startswith("e"):
        return [unread(found.path, **values)]
    count = faces or (2 if name.startswith("b") else 1)
    return [face(found.path, i, count, age=age, **values) for i in range(count)]


def run(output, found, rules=RULES, *, age=30.0, stop_after=None, fresh=False, shard=2):
    """A scan without pictures: plan, compute shard by shard, write, forget the journal."""
    journal = Journal(output)
    earlier = Earlier(output, journal, fresh=fresh)
    plan = earlier.plan(found, rules)
    todo = iter(plan.todo)
    done = 0
    while chunk := list(itertools.islice(todo, shard)):
        if stop_after is not None and done >= stop_after:
            return plan
        journal.commit(row for item in chunk for row in compute(item, age, model=rules.model))
        done += 1
    if plan.write:
        with open_writer(output) as report:
            report.write(earlier.rows())
    journal.remove()
    return plan


def ages(output):
    seen = {}
    for row in read_rows(output):
        seen.setdefault(row["path"], []).append(row["age"])
    return seen


def reasons(plan):
    return {
        name: value
        for name in ("carried", "refreshed", "new", "changed", "other_model", "retried", "vanished", "pruned")
        if (value := getattr(plan, name))
    }


@pytest.fixture(params=FORMATS)
def output(request, tmp_path):
    return tmp_path / f"r{request.param}"


FIRST = walk("photos/a", "photos/b", "photos/c", "photos/d", "photos/e")


def test_a_second_run_over_the_same_files_computes_nothing(output):
    first = run(output, FIRST)
    assert (reasons(first), first.write, len(first.todo)) == ({"new": 5}, True, 5)
    content, stat = output.read_bytes(), output.stat()
    second = run(output, FIRST, age=99)
    assert (reasons(second), second.write, len(second.todo)) == ({"carried": 5}, False, 0)
    assert (output.read_bytes(), output.stat().st_ino) == (content, stat.st_ino)


def test_only_new_and_changed_files_are_computed(output):
    run(output, FIRST)
    now = sorted([
        *walk("photos/a", "photos/aa", "photos/z", "more/a"),
        Found("photos/b", 11, 1000),  # another size
        Found("photos/c", 10, 999),  # an older time: the clock was set back
        *walk("photos/d", "photos/e"),
    ])  # fmt: skip
    plan = run(output, now, age=99)
    assert reasons(plan) == {"carried": 3, "new": 3, "changed": 2}
    assert list(ages(output).items()) == [
        ("more/a", [99]), ("photos/a", [30]), ("photos/aa", [99]), ("photos/b", [99, 99]), ("photos/c", [99]),
        ("photos/d", [30]), ("photos/e", [None]), ("photos/z", [99]),
    ]  # fmt: skip


def test_the_result_is_that_of_one_uninterrupted_run(output, tmp_path):
    whole = tmp_path / f"whole{output.suffix}"
    run(whole, FIRST)
    for stop in (0, 1, 2):
        run(output, FIRST, stop_after=1)
        plan = run(output, FIRST, stop_after=stop)
        assert plan.carried
        run(output, FIRST)
        assert output.read_bytes() == whole.read_bytes()
        run(output, FIRST, fresh=True, stop_after=0)
        output.unlink()


def test_another_model_or_setting_computes_again(output):
    run(output, FIRST)
    plan = run(output, FIRST, Rules("other", roots=("photos",)), age=99)
    assert reasons(plan) == {"other_model": 5}
    assert ages(output)["photos/a"] == [99]


def test_a_run_with_other_settings_that_was_left_costs_nothing(output):
    run(output, FIRST)
    content = output.read_bytes()
    run(output, FIRST, Rules("other", roots=("photos",)), age=99, stop_after=1)
    plan = run(output, FIRST, age=77)
    assert reasons(plan) == {"carried": 5}
    assert output.read_bytes() == content


def test_errors_are_retried_only_when_asked(output):
    run(output, FIRST)
    plan = run(output, FIRST, Rules(MODEL, retry_errors=True, roots=("photos",)))
    assert reasons(plan) == {"carried": 4, "retried": 1}
    assert [item.path for item in plan.todo] == ["photos/e"]


def test_rows_of_vanished_files_stay_unless_pruned(output):
    run(output, FIRST)
    content = output.read_bytes()
    now = [item for item in FIRST if item.path not in ("photos/a", "photos/b", "photos/e")]
    plan = run(output, now)
    assert (reasons(plan), plan.write) == ({"carried": 2, "vanished": 3}, False)
    assert output.read_bytes() == content
    plan = run(output, [*now, *walk("photos/f")])
    assert list(ages(output)) == ["photos/a", "photos/b", "photos/c", "photos/d", "photos/e", "photos/f"]
    plan = run(output, now, Rules(MODEL, prune=True, roots=("photos",)))
    assert reasons(plan) == {"carried": 2, "vanished": 4, "pruned": 4}
    assert list(ages(output)) == ["photos/c", "photos/d"]


def test_prune_keeps_rows_of_folders_that_were_not_walked(output):
    run(output, walk("photos/a", "more/a", "more/b"))
    plan = run(output, walk("more/a"), Rules(MODEL, prune=True, roots=("more",)))
    assert reasons(plan) == {"carried": 1, "vanished": 2, "pruned": 1}
    assert list(ages(output)) == ["more/a", "photos/a"]


def test_prune_spares_what_lies_in_a_folder_that_cannot_be_listed(output):
    run(output, walk("photos/a", "photos/locked/a", "photos/lockedout", "photos/z"))
    unlisted = []

    def found():
        yield from walk("photos/a")
        unlisted.append("photos/locked")
        yield from walk("photos/z")

    rules = Rules(MODEL, prune=True, roots=("photos",), unlisted=unlisted)
    assert reasons(run(output, found(), rules)) == {"carried": 2, "vanished": 2, "pruned": 1}
    assert list(ages(output)) == ["photos/a", "photos/locked/a", "photos/z"]


def test_what_cannot_become_a_report_is_refused_before_any_work(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(OutputError):
            Earlier(tmp_path / name, Journal(tmp_path / name))


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("root", ["photos", "photos/", "./photos"])
def test_a_root_that_is_suddenly_empty_stops_the_run(output, prune, root):
    prefix = "./" if root.startswith("./") else ""
    run(output, walk(f"{prefix}photos/a", f"{prefix}photos/b", "more/a"))
    content = output.read_bytes()
    with pytest.raises(InputError, match=r"no photograph below .*photos.* has 2"):
        run(output, walk("more/a", "photosets/b"), Rules(MODEL, prune=prune, roots=("more", root)))
    assert output.read_bytes() == content


def test_a_root_that_never_had_rows_may_be_empty(output):
    run(output, walk("more/a"))
    assert reasons(run(output, walk("more/a"), RULES)) == {"carried": 1}


def test_a_suddenly_empty_root_is_seen_in_the_journal_too(output):
    run(output, FIRST, stop_after=2)
    with pytest.raises(InputError):
        run(output, [])


def test_fresh_starts_over(output):
    run(output, FIRST)
    run(output, [*FIRST, *walk("photos/x")], stop_after=1)
    plan = run(output, FIRST[1:], fresh=True, age=99)
    assert reasons(plan) == {"new": 4}
    assert list(ages(output)) == [item.path for item in FIRST[1:]]


def test_a_file_that_changes_between_two_interrupted_runs(output):
    run(output, FIRST, stop_after=2)
    now = [Found("photos/a", 11, 2000), *FIRST[1:]]
    plan = run(output, now, age=99)
    assert reasons(plan) == {"carried": 3, "changed": 1, "new": 1}
    assert ages(output)["photos/a"] == [99]
    assert ages(output)["photos/b"] == [30, 30]


def test_killed_between_the_report_and_the_journals_end(output, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", lambda self: None)
        run(output, FIRST)
    content = output.read_bytes()
    assert reasons(run(output, FIRST)) == {"carried": 5}
    assert output.read_bytes() == content
    assert not Journal(output)


def test_a_report_that_someone_sorted_is_understood_and_sorted_back(output):
    found = [*FIRST, *walk("photos/f", "photos/g")]
    run(output, found)
    content = output.read_bytes()
    rows = list(read_rows(output))
    for order in (rows[::-1], [*rows[3:], *rows[:3]], sorted(rows, key=lambda r: r["age"] or 0)):
        with open_writer(output) as report:
            report.write(sorted(order, key=lambda r: r["face"] or 0))
        plan = run(output, [item for item in found if item.path != "photos/g"], age=99)
        assert plan.vanished == 1
        # The two faces of b no longer stand together: it is computed again, and nothing else is.
        assert plan.carried + plan.changed == 6
        assert {item.path for item in plan.todo} <= {"photos/b"}
        assert list(ages(output)) == [item.path for item in found]
        with open_writer(output) as report:
            report.write(rows)
    assert output.read_bytes() == content


def test_an_image_that_lost_a_face_by_hand_is_computed_again(output):
    run(output, FIRST)
    rows = [r for r in read_rows(output) if (r["path"], r["face"]) != ("photos/b", 1)]
    with open_writer(output) as report:
        report.write(rows)
    plan = run(output, FIRST)
    assert reasons(plan) == {"carried": 4, "changed": 1}
    assert len(ages(output)["photos/b"]) == 2


def test_bad_names_are_found_again(output):
    found = walk(*NAMES_ON_DISK)
    run(output, found, Rules(MODEL))
    assert reasons(run(output, found, Rules(MODEL))) == {"carried": len(found)}
    run(output, found[::2], Rules("other"), stop_after=1)
    run(output, found[1::2], Rules("other"))
    assert list(ages(output)) == [item.path for item in found]


def test_somebody_elses_file_is_never_replaced(output):
    output.write_bytes(b"path,price\na,1\n" if output.suffix == ".csv" else b'{"path": "a"}\n')
    for fresh in (False, True):
        with pytest.raises(OutputError, match="not a report of agebatch"):
            run(output, FIRST, fresh=fresh)


def test_columns_of_the_user_are_not_lost_silently(tmp_path):
    output = tmp_path / "r.csv"
    run(output, FIRST)
    lines = output.read_text().splitlines()
    output.write_text("\n".join([lines[0] + ",note", *(line + ",mine" for line in lines[1:])]) + "\n")
    with pytest.raises(OutputError, match="note"):
        run(output, FIRST)
    run(output, FIRST, fresh=True)
    assert output.read_text().splitlines() == lines


def test_a_dry_run_changes_nothing(output, tmp_path):
    run(output, FIRST, stop_after=1)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    plan = Earlier(output, Journal(output, read_only=True), fresh=True).plan(FIRST, RULES)
    assert len(plan.todo) == 5
    plan = Earlier(output, Journal(output, read_only=True)).plan(FIRST, RULES)
    assert reasons(plan) == {"carried": 2, "new": 3}
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


# --- --checksum -----------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcde":
        (folder / name).write_bytes(name.encode() * 10)
        os.utime(folder / name, ns=(0, 1000))
    return folder


def on_disk(folder):
    return [Found(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]


def with_checksum(folder):
    return Rules(MODEL, checksum=True, roots=(str(folder),))


def test_checksums_are_filled_in_without_computing(output, photos):
    run(output, on_disk(photos))
    plan = run(output, on_disk(photos), with_checksum(photos), age=99)
    assert reasons(plan) == {"carried": 5, "refreshed": 5}
    assert {r["path"]: r["checksum"] for r in read_rows(output)} == {
        str(p): checksum_of(p) for p in photos.iterdir()
    }
    assert set(itertools.chain(*ages(output).values())) == {30, None}
    again = run(output, on_disk(photos), with_checksum(photos))
    assert (reasons(again), again.write) == ({"carried": 5}, False)


def test_content_decides_not_the_time(output, photos):
    run(output, on_disk(photos))
    run(output, on_disk(photos), with_checksum(photos))
    os.utime(photos / "a", ns=(0, 5000))  # touched
    (photos / "b").write_bytes(b"B" * 10)  # other content, same size, same time
    os.utime(photos / "b", ns=(0, 1000))
    plan = run(output, on_disk(photos), with_checksum(photos), age=99)
    assert reasons(plan) == {"carried": 4, "refreshed": 1, "changed": 1}
    assert [item.path for item in plan.todo] == [str(photos / "b")]
    assert ages(output)[str(photos / "a")] == [30]
    # The touched file's new time is in the report: without --checksum nothing is computed either.
    assert reasons(run(output, on_disk(photos))) == {"carried": 5}


def test_many_refreshed_rows_go_through_several_parts(output, photos, monkeypatch):
    monkeypatch.setattr("agebatch.results.earlier._REFRESH_ROWS", 2)
    run(output, on_disk(photos))
    content = list(read_rows(output))
    run(output, on_disk(photos), with_checksum(photos), stop_after=0)
    run(output, on_disk(photos), with_checksum(photos))
    assert [{**r, "checksum": None} for r in read_rows(output)] == content


def test_checksum_is_sha256_and_never_hangs(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    assert checksum_of(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    os.mkfifo(tmp_path / "pipe")
    assert [checksum_of(tmp_path / name) for name in ("pipe", "missing", ".")] == [None] * 3


# --- size -----------------------------------------------------------------------------------------------


def test_memory_per_image_is_small(tmp_path):
    output = tmp_path / "r.csv"

    def found(n):
        return (Found(f"photos/archive/2019/holidays/IMG_{i:07d}.jpg", i, 10**18 + i) for i in range(n))

    n = 5_000
    with open_writer(output) as report:
        report.write(row for item in found(n) for row in compute(item))
    peaks = {}
    for model in (MODEL, "other"):
        tracemalloc.start()
        plan = Earlier(output, Journal(output)).plan(found(n), Rules(model, roots=("photos",)))
        peaks[model] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert plan.carried == (n if model == MODEL else 0)
    assert peaks[MODEL] < 1_000_000, "an unchanged archive is only streamed"
    assert peaks["other"] < 1_000_000 + 120 * n


def test_todo_gives_back_what_it_took():
    todo = Todo()
    items = [Found(name, i, [i, -i, 2**70][i % 3]) for i, name in enumerate(NAMES_ON_DISK)]
    for item in items:
        todo.append(item)
    assert (len(todo), list(todo), list(todo)) == (len(items), items, items)
    assert not Todo()
