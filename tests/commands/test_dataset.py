import re

import pytest
from PIL import ImageOps

from agebatch.commands.dataset import DatasetSettings, run
from agebatch.errors import InputError, UsageError
from tests.datasets.faces import scene, utkface


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "faces <b>&"
    utkface(folder, [f"{10 * i}_{i % 2}_{i % 5}_2017.jpg" for i in range(8)], first=10)
    scene(1).save(folder / "30_0_0_1.jpg")
    ImageOps.mirror(scene(1)).save(folder / "60_1_0_1.jpg")
    scene(2).save(folder / "33_1_2017<script>.jpg")
    (folder / "44_1_1_2017.jpg").write_bytes(b"broken")
    scene(3).save(folder / "holiday.jpg")
    return folder


def test_in_short_on_the_terminal(folder, capfd):
    run(DatasetSettings((str(folder),)))
    out, err = capfd.readouterr()
    assert out == ""
    for told in (
        "2 in 1 groups; labels differ in 1",
        "the race is missing; the name does not end in a date, as in 33_1_2017<script>.jpg (used: age 33, female)",
        "the name is not AGE_GENDER_RACE_DATE, as in holiday.jpg (left out)",
        "can't be used: 44_1_1_2017.jpg: ",
        "labels of one photograph differ: 30_0_0_1.jpg (30, male, White)  60_1_0_1.jpg (60, female, White)",
    ):
        assert " ".join(told.split()) in " ".join(err.split())


def test_the_page_is_one_safe_file(folder, tmp_path):
    other = utkface(tmp_path / "other", ["1_0_0_1.jpg", "2_1_0_1.jpg"], first=70)
    page = tmp_path / "page.html"
    settings = DatasetSettings((str(folder), str(other)), str(page))
    run(settings)
    text = page.read_text("utf-8")
    assert "30 years apart, gender differs" in text
    assert "its copy says age 60; its copy says female" in text
    assert text.count("<section>") == 2
    assert "faces &lt;b&gt;&amp;" in text
    assert "<script>" not in text
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)


def test_a_folder_without_ages_or_without_genders(tmp_path):
    for name in ("a.png", "b.png"):
        scene(ord(name[0])).save(tmp_path / name)
    for table in (
        "file,gender\na.png,F\nb.png,F\n",
        "file,age\na.png,20-29\nb.png,\n",
        "file,age\na.png,3\n",
    ):
        (tmp_path / "labels.csv").write_text(table)
        run(DatasetSettings((str(tmp_path),), str(tmp_path / "page.html")))


def test_what_can_not_be_explained(tmp_path):
    with pytest.raises(UsageError):
        DatasetSettings(())
    with pytest.raises(UsageError):
        DatasetSettings(("x",), "page.pdf")
    with pytest.raises(InputError, match="no such folder"):
        run(DatasetSettings((str(tmp_path / "gone"),)))
    (tmp_path / "1_1_1_2017.jpg").write_bytes(b"broken")
    with pytest.raises(InputError, match="none of its 1 labelled pictures can be used"):
        run(DatasetSettings((str(tmp_path),)))
