"""What `scan` decides, tried on fakes: no TensorFlow, no child process, milliseconds."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from agebatch import console
from agebatch.commands import scan
from agebatch.errors import BusyError, InputError, ModelError, OutputError, StrictError, UsageError
from agebatch.pipeline import extras
from agebatch.results.lock import Lock
from agebatch.settings import ScanSettings
from tests import fakes
from tests.fakes import fake_tools, photo


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    console.configure()
    for number in range(12):
        photo(f"photos/d{number % 2}/p{number:02}.png", 20 * number)


def run(*paths, tools=fake_tools, **more):
    settings = ScanSettings(**{"paths": paths or ("photos",), "output": "r.csv", **more})
    scan.run(settings, tools)
    return rows(settings.output) if settings.output not in ("-", "") else None


def rows(path="r.csv"):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def no_tools(settings):
    """Tools that must not be used: only the name of the model is asked for."""

    def never():
        raise AssertionError("nothing is to be computed")

    return replace(fake_tools(settings), readers=never, detector=never, predictor=never)


def test_one_row_per_face_sorted_by_path_then_face():
    found = run()
    assert [row["path"] for row in found] == sorted(row["path"] for row in found)
    by_path = {}
    for row in found:
        by_path.setdefault(row["path"], []).append(row)
    assert len(by_path) == 12
    for path, group in by_path.items():
        number = int(path[-6:-4])
        brightness = 20 * number
        assert int(group[0]["faces"]) == brightness % 3
        if brightness % 3 == 0:
            (row,) = group
            assert row["status"] == "no_face" and row["face"] == "" and row["age"] == ""
            continue
        assert [row["face"] for row in group] == [str(i) for i in range(brightness % 3)]
        for row in group:
            assert row["status"] == "ok" and row["message"] == ""
            assert float(row["age"]) == pytest.approx(brightness / 3, abs=0.06)
            assert float(row["age_high"]) - float(row["age_low"]) == pytest.approx(10, abs=0.11)
            assert row["gender"] in ("female", "male") and 0.5 <= float(row["gender_confidence"]) <= 1


def test_boxes_are_in_pixels_of_the_original():
    photo("one/a.png", 1, size=(80, 60))  # the fake preview is half as large, the face a half of that
    (row,) = run("one")
    assert (row["width"], row["height"]) == ("80", "60")
    assert [float(row[name]) for name in "xywh"] == [0, 0, 40, 30]


def test_the_second_run_computes_nothing_and_says_so(capsys):
    run()
    before = Path("r.csv").stat()
    capsys.readouterr()
    run(tools=no_tools)
    assert "nothing to compute: 12 photographs unchanged" in capsys.readouterr().err
    assert Path("r.csv").stat() == before, "the report isn't touched"


def test_only_what_is_new_or_changed_is_computed(capsys):
    first = run()
    photo("photos/d0/p00.png", 200)
    os.utime("photos/d0/p00.png", ns=(1, 1))
    photo("photos/new.png", 100)
    capsys.readouterr()
    second = run()
    assert "2 photographs to look at (1 new, 1 changed); 11 photographs unchanged" in capsys.readouterr().err
    assert len({row["path"] for row in second}) == 13
    kept = [row for row in second if row["path"] not in ("photos/d0/p00.png", "photos/new.png")]
    assert kept == [row for row in first if row["path"] != "photos/d0/p00.png"]


def test_other_settings_compute_anew(capsys):
    run()
    capsys.readouterr()
    run(min_score=0.95)
    assert "12 photographs known from another model or other settings" in capsys.readouterr().err


def test_vanished_photos_keep_their_rows_unless_pruned():
    run()
    Path("photos/d0/p00.png").unlink()
    assert len({row["path"] for row in run()}) == 12
    assert len({row["path"] for row in run(prune=True)}) == 11


def test_an_emptied_or_missing_folder_leaves_the_report_alone():
    run()
    before = Path("r.csv").read_bytes()
    Path("photos").rename("away")
    with pytest.raises(InputError):
        run()
    Path("photos").mkdir()
    with pytest.raises(InputError, match="no photograph below photos"):
        run(prune=True)
    assert Path("r.csv").read_bytes() == before


def test_an_empty_folder_is_missing_input():
    Path("empty").mkdir()
    with pytest.raises(InputError, match="no photograph found in empty"):
        run("empty")
    with pytest.raises(InputError):
        run("empty", output="-")
    assert not Path("r.csv").exists()


def test_a_photo_that_cannot_be_read_is_a_row_and_fails_only_strict_runs():
    photo("photos/broken.png", 3)
    found = run()
    (row,) = [row for row in found if row["path"] == "photos/broken.png"]
    assert (row["status"], row["message"], row["age"]) == ("unreadable", "broken", "")
    with pytest.raises(StrictError):
        run(strict=True, tools=no_tools)
    assert len(run(retry_errors=True)) == len(found)


def test_a_photo_deleted_during_the_scan_is_looked_at_again_should_it_come_back():
    def tools(settings):
        made = fake_tools(settings)

        def readers():
            Path("photos/d0/p02.png").unlink()
            return made.readers()

        return replace(made, readers=readers)

    (row,) = [row for row in run(tools=tools) if row["path"] == "photos/d0/p02.png"]
    assert (row["status"], row["file_size"], row["file_mtime_ns"]) == ("unreadable", "", "")
    photo("photos/d0/p02.png", 42)
    assert next(row for row in run() if row["path"] == "photos/d0/p02.png")["status"] == "no_face"


def test_a_folder_that_vanishes_during_the_scan_ends_it():
    def tools(settings):
        made = fake_tools(settings)

        def readers():
            Path("photos").rename("away")
            return made.readers()

        return replace(made, readers=readers)

    with pytest.raises(InputError, match="vanished during the scan"):
        run(tools=tools)
    assert not Path("r.csv").exists()


def test_the_output_is_never_scanned_and_pictures_do_not_land_among_photographs(capsys):
    with pytest.raises(UsageError, match="lies inside photos"):
        run(save_crops="photos/crops")
    first = run(save_crops="photos/crops", output_inside=True)
    assert len(list(Path("photos/crops").rglob("*.png"))) == sum(row["age"] != "" for row in first)
    assert run(save_crops="photos/crops", output_inside=True, tools=no_tools) == first


def test_crops_have_the_path_of_their_photo_and_are_lossless():
    found = run(save_crops="crops")
    row = next(row for row in found if row["age"])
    with Image.open(f"crops/{row['path']}-0.png") as crop:
        number = int(row["path"][-6:-4])
        assert crop.getpixel((3, 3)) == (20 * number,) * 3


def test_marked_copies_are_made_also_for_photos_carried_over():
    found = run()
    with_faces = {row["path"] for row in found if row["age"]}
    run(annotate="marked", tools=no_tools)
    assert {f"marked/{path}.jpg" for path in with_faces} == set(map(str, Path("marked").rglob("*.jpg")))


def test_names_below_a_folder_never_leave_it():
    assert extras.below(Path("o"), "../../etc/x.jpg", "").as_posix() == "o/__/__/etc/x.jpg"
    assert len(os.fsencode(extras.below(Path("o"), "é" * 127 + ".jpg", "-0.png").name)) < 255


def test_rows_on_stdout(capfdbinary):
    run(output="-")
    out = capfdbinary.readouterr().out
    assert out.startswith(b"path,status,") and out.count(b"\n") == 1 + len(run())


def test_a_dry_run_lists_and_touches_nothing(capsys):
    run(output="", dry_run=True, tools=no_tools)
    assert capsys.readouterr().out.splitlines()[0] == "photos/d0/p00.png"
    run()
    photo("photos/new\n.png", 3)
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    run(dry_run=True, tools=no_tools)
    assert capsys.readouterr().out == "photos/new\\n.png\n"
    assert sorted(Path().rglob("*")) == before


def test_limit_takes_the_first():
    assert {row["path"] for row in run(limit=3)} == {f"photos/d0/p{n:02}.png" for n in (0, 2, 4)}


def test_files_from_a_list():
    Path("list").write_bytes(b"photos/d1/p01.png\0photos/d0/p00.png\0")
    found = run(paths=(), files_from="list")
    assert [row["path"] for row in found if row["face"] in ("", "0")] == [
        "photos/d0/p00.png",
        "photos/d1/p01.png",
    ]


def test_pre_cropped_pictures_are_one_face_each():
    found = run(pre_cropped=True)
    assert [row["faces"] for row in found] == ["1"] * 12
    assert all(row["face_score"] == "" and float(row["w"]) == 64 for row in found)


def test_small_faces_are_dropped():
    assert all(max(float(r["w"]), float(r["h"])) >= 25 for r in run(min_face=25) if r["age"])


def test_the_summary_tells_scripts_how_it_went():
    run(summary_json="s.json")
    summary = json.loads(Path("s.json").read_text())
    assert summary["exit_code"] == 0 and summary["computed"] == 12
    assert summary["report"]["by_status"]["ok"] == 8
    with Lock("r.csv"), pytest.raises(BusyError):
        run(summary_json="s.json")
    assert json.loads(Path("s.json").read_text())["exit_code"] == 75


def test_a_stranger_s_file_is_not_overwritten():
    Path("r.csv").write_text("name,phone\nAda,1\n")
    with pytest.raises(OutputError):
        run(fresh=True)
    assert Path("r.csv").read_text() == "name,phone\nAda,1\n"


@pytest.mark.parametrize("stage", ["readers", "detector", "predictor"])
def test_an_error_in_any_stage_ends_the_run_as_itself(stage):
    def fail():
        raise ModelError("the weights are gone")

    with pytest.raises(ModelError, match="weights are gone"):
        run(tools=lambda settings: replace(fake_tools(settings), **{stage: fail}))
    assert not Path("r.csv").exists()
    assert run(), "nothing stands in the way of the next run"


def test_an_error_in_the_middle_keeps_what_was_finished(monkeypatch, capsys):
    def fail_late(self, chip):
        if chip.mean() > 150:
            raise ModelError("the GPU is gone")
        return answer(self, chip)

    whole = run(output="whole.csv")
    answer = fakes.FakePredictor._answer
    with monkeypatch.context() as patch:
        patch.setattr(fakes.FakePredictor, "_answer", fail_late)
        with pytest.raises(ModelError):
            run(shard=2)
    capsys.readouterr()
    assert run() == whole
    assert " unchanged" in capsys.readouterr().err


def test_every_shard_size_gives_the_same_report():
    whole = run()
    for shard in (1, 2, 5, 12):
        assert run(shard=shard, output=f"r{shard}.csv") == whole


def test_a_prefix_that_is_no_keyword_is_told_before_anything_is_read():
    with pytest.raises(UsageError, match="can't be a keyword"):
        run(sidecar="xmp", keyword_prefix="a|b", tools=no_tools)
