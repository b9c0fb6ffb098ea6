import json
import re

import pytest

from agebatch.commands import evaluate
from agebatch.errors import InputError
from agebatch.settings import EvaluateSettings


def run(trained, **more):
    dataset, model = trained
    evaluate.run(EvaluateSettings(str(dataset), str(model), device="cpu", **more))


def test_figures_on_stdout_and_for_people(trained, capsys):
    run(trained, output="-", split="all")
    out, err = capsys.readouterr()
    figures = json.loads(out)
    overall = figures["overall"]
    assert overall["mae"]["n"] == 60
    assert overall["mae"]["low"] <= overall["mae"]["value"] <= overall["mae"]["high"]
    assert {"cs5", "bias", "gender_accuracy", "coverage"} <= overall.keys()
    assert f"{overall['mae']['value']:.2f}" in err


def test_a_page_that_needs_nothing_else(trained, tmp_path):
    run(trained, html=str(tmp_path / "page.html"), split="all")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "mean absolute error" in page.lower()
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)


def test_testing_on_what_was_learnt_is_said(trained, capsys):
    run(trained, split="train", output="-")
    assert "the model was trained on faces of this split" in " ".join(capsys.readouterr().err.split())


def test_an_empty_folder(tmp_path, trained):
    with pytest.raises(InputError):
        evaluate.run(EvaluateSettings(str(tmp_path), str(trained[1])))
