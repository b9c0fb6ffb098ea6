import io
import json
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from agebatch.commands import bench, scan
from agebatch.commands.bench import Measured, Spent
from agebatch.errors import InputError, UsageError
from agebatch.images.reading import Decoded, Unread
from agebatch.pipeline import timing
from agebatch.settings import BenchSettings
from tests import fakes


@pytest.fixture
def no_processes(monkeypatch):
    monkeypatch.setattr(bench, "_import_tensorflow", lambda: None)
    monkeypatch.setattr(bench, "Readers", lambda *_, **__: nullcontext(fakes.FakeReaders()))


def test_the_json_tells_rates_stages_traces_and_the_share_of_the_ceiling(tmp_path, no_processes, capsys):
    for index in range(6):  # 0, 1, 2, 0, 1, 2 faces
        fakes.photo(tmp_path / "photos" / f"{index}.png", 60 + index)
    bench.run(BenchSettings((str(tmp_path / "photos"),), json="-"), scan.run, fakes.fake_tools)
    answer = json.loads(capsys.readouterr().out)
    (one,) = answer["sets"]
    assert (one["images"], one["faces"]) == (6, 6)
    assert list(one["stages"]) == [
        "read, decode and reduce",
        "detect",
        "cut chips",
        "predict",
        "write the report",
    ]
    assert one["images_per_second"] > 0 and one["share_of_ceiling"] > 0
    assert answer["traces"]["after_warm_up"] == answer["traces"]["at_the_end"]
    assert set(answer["start_up"]) >= {"load the detector", "load the model", "warm the graphs up"}


def test_a_graph_traced_again_is_told(tmp_path, no_processes, monkeypatch, capsys):
    fakes.photo(tmp_path / "a.png", 61)
    counts = iter([{"detector": 1}, {"detector": 2}])
    monkeypatch.setattr(bench, "_traces", lambda *_: next(counts))
    bench.run(BenchSettings((str(tmp_path),)), scan.run, fakes.fake_tools)
    assert "traced again after the warm-up" in capsys.readouterr().err


def test_without_photographs_it_makes_its_own_and_removes_them(tmp_path, no_processes, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(timing, "SIZES", {"small": (64, 48), "wide": (80, 40)})
    bench.run(BenchSettings(json="-", count=2), scan.run, fakes.fake_tools)
    assert [one["photos"] for one in json.loads(capsys.readouterr().out)["sets"]] == ["small", "wide"]
    assert list(tmp_path.iterdir()) == []


def test_figures_follow_from_what_was_measured():
    one = Measured("x", images=10, faces=20, ceiling=Spent(2, 3), scan=Spent(4, 6))
    assert one.summary(cores=2) == {
        "images_per_second": 2.5,
        "faces_per_second": 5.0,
        "cpu_utilisation": 0.75,
        "ceiling_images_per_second": 5.0,
        "share_of_ceiling": 0.5,
    }


def test_an_empty_folder_ends_it(tmp_path):
    with pytest.raises(InputError, match="no photograph"):
        bench.run(BenchSettings((str(tmp_path),)), scan.run, fakes.fake_tools)
    with pytest.raises(UsageError):
        BenchSettings(count=0)


def test_made_photographs_have_a_size_noise_and_faces(tmp_path):
    timing.make_photographs(tmp_path / "p", (816, 612), 2)
    with Image.open(io.BytesIO((tmp_path / "p" / "0000.jpg").read_bytes())) as picture:
        pixels = np.asarray(picture.convert("L"), np.float32)
    assert pixels.shape == (612, 816)
    assert np.abs(np.diff(pixels, axis=1)).mean() > 3


def test_the_ceiling_decodes_and_keeps_nothing(tmp_path):
    timing.make_photographs(tmp_path / "p", (816, 612), 1)
    decoded = timing.decode_only(tmp_path / "p" / "0000.jpg", side=300)
    assert isinstance(decoded, Decoded)
    assert (decoded.width, decoded.height, decoded.image.size) == (816, 612, (1, 1))
    assert isinstance(timing.decode_only(tmp_path / "missing.jpg"), Unread)
