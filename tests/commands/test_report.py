import json
import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from agebatch.commands.report import ReportSettings, run, write_report
from agebatch.errors import InputError, OutputError, UsageError
from agebatch.pages.report_numbers import count, frame_of, top_folders
from agebatch.pages.report_sheet import choose
from agebatch.results.files import open_writer, read_rows
from agebatch.results.schema import row

HOSTILE = "<script>alert('x')</script>\"&\n\u202egpj"


def make_rows(photos=60, seed=0, folder="photos"):
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(photos):
        path = f"{folder}/{'abc'[k % 3]}/{k:03d}.jpg"
        facts = {
            "path": path,
            "width": 400,
            "height": 300,
            "file_size": 9,
            "file_mtime_ns": int(1.1e18 + k * 2e15),
        }
        faces = int(rng.poisson(1.5)) if k else 13
        if k % 17 == 5:
            rows.append(row(path=path, status="unreadable", message=("empty file", f"{k} megapixels")[k % 2]))
        elif not faces:
            rows.append(row(**facts, status="no_face", faces=0))
        for i in range(faces if k % 17 != 5 else 0):
            age = float(rng.uniform(0, 99))
            rows.append(
                row(
                    **facts,
                    status="ok",
                    faces=faces,
                    face=i,
                    x=10 * i,
                    y=5,
                    w=40,
                    h=50,
                    face_score=rng.uniform(0.9, 1),
                    age=age,
                    age_low=max(0, age - rng.uniform(1, 9)),
                    age_high=age + rng.uniform(1, 12),
                    gender=("female", "male")[int(rng.random() < 0.6)],
                    gender_confidence=rng.uniform(0.5, 1),
                    model="m/1",
                )
            )
    return rows


@pytest.fixture(autouse=True)
def plots(monkeypatch, request):
    """Drawing costs a second a page: left out where a test isn't about it."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("agebatch.pages.report_plots.draw", lambda *_: defaultdict(str))


@pytest.fixture
def drawn():
    """Ask for the real plots."""


@pytest.fixture
def report(tmp_path):
    def write(rows, name="results.csv"):
        with open_writer(tmp_path / name) as file:
            file.write(rows)
        return tmp_path / name

    return write


def page_of(path, **options):
    output = path.with_suffix(".html")
    write_report(path, output, **options)
    return output.read_text("utf-8")


def data_of(page):
    return json.loads(re.search(r'id="faces-data">(.*?)</script>', page, re.DOTALL)[1])


def fact(page, label):
    return re.search(rf"<dt>{label}</dt><dd>([^<]*)</dd>", page)[1]


def test_the_numbers_are_those_of_pandas(report):
    path = report(make_rows())
    table = pd.read_csv(path)
    page = page_of(path)
    faces = table[table["face"].notna()]
    assert fact(page, "faces") == f"{len(faces):,}"
    assert fact(page, "photographs") == f"{table['path'].nunique():,}"
    assert fact(page, "not readable") == str(table[table["status"] == "unreadable"]["path"].nunique())
    assert fact(page, "median age") == f"{faces['age'].median():,.1f}"
    assert fact(page, "female") == f"{100 * (faces['gender'] == 'female').mean():.1f} %"
    assert fact(page, "sure of gender") == f"{100 * (faces['gender_confidence'] >= 0.95).mean():.1f} %"
    data = data_of(page)
    assert np.allclose(np.array(data["a"]) / 10, faces["age"])
    assert data["g"] == "".join(gender[0] for gender in faces["gender"])
    assert [f"{data['folders'][f]}/{name}" for f, name in (data["photos"][p] for p in data["p"])] == faces[
        "path"
    ].tolist()


def test_the_pyramid_adds_up(report):
    path = report(make_rows())
    table = pd.read_csv(path)
    faces = table[table["face"].notna()]
    pyramid = count(frame_of(read_rows(path))).pyramid
    bands = pd.cut(faces["age"], [*range(0, 91, 10), 200], right=False, labels=pyramid.bands)
    for gender, counts in (("female", pyramid.female), ("male", pyramid.male)):
        assert counts == bands[faces["gender"] == gender].value_counts(sort=False).tolist()
    assert sum(pyramid.female) + sum(pyramid.male) == len(faces)
    assert sum(pyramid.female_expected) + sum(pyramid.male_expected) == pytest.approx(len(faces))
    sure = faces["gender_confidence"].where(faces["gender"] == "female", 1 - faces["gender_confidence"])
    assert sum(pyramid.female_expected) == pytest.approx(sure.sum())
    assert pyramid.rows()[-1][-1] == str(len(faces))


def test_faces_per_photo_folders_and_reasons_add_up(report):
    path = report(make_rows())
    table = pd.read_csv(path)
    photos = table.drop_duplicates("path")
    numbers = count(frame_of(read_rows(path)))
    readable = photos[photos["status"] != "unreadable"]
    assert sum(numbers.per_photo) == len(readable) == numbers.with_faces + numbers.without_faces
    assert numbers.per_photo[2] == (readable["faces"] == 2).sum() and numbers.per_photo[10] == 1
    assert [group.name for group in numbers.folders] == ["a", "b", "c"]
    assert sum(group.faces for group in numbers.folders) == numbers.faces
    assert sum(group.photos for group in numbers.folders) == numbers.photos
    assert sum(reason.count for reason in numbers.reasons) == numbers.unread
    assert [(r.message, r.count) for r in numbers.reasons if r.message != "empty file"] == [
        ("… megapixels", 2)
    ]
    assert sum(group.faces for group in numbers.months) == numbers.faces


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_every_format_gives_the_same_page(report, suffix):
    rows = make_rows(12)
    pages = [
        page_of(report(rows, f"r.{kind}"), title="t").replace(f"r.{kind}", "") for kind in ("csv", suffix)
    ]
    assert pages[0] == pages[1]


def test_hostile_names_are_text(report, drawn):
    rows = [
        row(path=f"{HOSTILE}/{HOSTILE}.jpg", status="unreadable", message="<b>bad</b>"),
        *[
            {**r, "path": str(r["path"]).replace("photos", HOSTILE).replace("/a/", "/\udcff/")}
            for r in make_rows(9)
        ],
    ]
    page = page_of(report(rows), title=HOSTILE)
    assert "<script>alert" not in page and "<b>bad" not in page and "&lt;b&gt;bad" in page
    data = data_of(page)
    assert any(HOSTILE in folder for folder in data["folders"]) and any(
        "\\xff" in folder for folder in data["folders"]
    )
    assert len(re.findall("<script", page)) == 2


def test_anonymous_pages_hold_no_path_face_or_single_value(report, tmp_path):
    rows = make_rows(20, folder=str(tmp_path / "secret"))
    page = page_of(report(rows, "secret-name.csv"), anonymous=True)
    assert "secret" not in page and "faces-data" not in page and "<img" not in page and ".jpg" not in page
    assert "folder 1" in page and fact(page, "faces") == str(sum(r["face"] is not None for r in rows))


def photographed(tmp_path):
    """One photo, left half red with a face in it; and its row, its path relative to the report."""
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[:, :200, 0] = 255
    (tmp_path / "photos").mkdir()
    file = tmp_path / "photos" / "red.png"
    Image.fromarray(pixels).save(file)
    facts = file.stat()
    more = {"path": "photos/red.png", "file_size": facts.st_size, "file_mtime_ns": facts.st_mtime_ns}
    return {**next(r for r in make_rows(2) if r["face"] == 0), **more}


def test_thumbnails_are_cut_from_photographs_beside_the_report(report, tmp_path):
    found = photographed(tmp_path)
    data = data_of(page_of(report([found])))
    assert data["t"] == [0] and data["thumbs"][0].startswith("data:image/webp;base64,")
    assert data_of(page_of(report([found]), thumbnails=False))["thumbs"] == []
    changed = page_of(report([{**found, "file_size": 1}]))
    assert data_of(changed)["thumbs"] == [] and "changed since the scan" in changed


def test_the_least_certain_get_thumbnails_first():
    uncertain = np.random.default_rng(0).random(5000)
    chosen = choose(uncertain, 100)
    assert len(chosen) == len(set(chosen)) == 100
    assert set(np.argsort(-uncertain)[:50]) <= set(chosen.tolist())


def test_a_report_without_faces_is_a_page(report, drawn):
    page = page_of(
        report([row(path="a.jpg", status="no_face", faces=0), row(path="b.jpg", status="too_large")])
    )
    assert fact(page, "median age") == "–" and "too_large" in page


def test_mistakes_are_told(report, tmp_path):
    path = report([])
    with pytest.raises(InputError):
        write_report(path, tmp_path / "r.html")
    with pytest.raises(InputError):
        write_report(tmp_path / "none.csv", tmp_path / "r.html")
    with pytest.raises(UsageError):
        ReportSettings(str(path), str(path))
    with pytest.raises(UsageError):
        ReportSettings(str(path), "")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OutputError):
        write_report(tmp_path / "other.csv", tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_run_says_where_the_page_is(report, capsys):
    path = report(make_rows(5))
    run(ReportSettings(str(path), str(path.with_suffix(".html"))))
    out, err = capsys.readouterr()
    assert out == "" and "results.html" in err


def test_folders_are_told_apart_below_what_they_share():
    assert top_folders(["/p/a", "/p/b/c", "/p"]) == ["a", "b", "(directly in /p)"]
    assert top_folders(["", ""]) == ["(directly in the root)"] * 2
    assert top_folders([]) == []
