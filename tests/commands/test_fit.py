"""`agebatch fit` as people run it: in a process of its own, killed and run again; and its odd inputs."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

from agebatch.commands import fit
from agebatch.errors import InputError, UsageError
from agebatch.model import package
from agebatch.settings import FitSettings
from tests.commands.trained import EPOCHS, faces, settings


def command(dataset, output):
    return [
        *(sys.executable, "-c", "from agebatch.cli import main; main()"),
        *("fit", str(dataset), "-o", str(output)),
        *("--epochs", str(EPOCHS), "--batch-size", "8", "--no-progress", "--device", "cpu"),
    ]


def epochs_of(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [int(row["epoch"]) for row in csv.DictReader(file)]


def test_killed_and_run_again_it_ends_as_if_nothing_had_been(tmp_path, trained):
    dataset, whole = trained
    output = tmp_path / "model"
    process = subprocess.Popen(command(dataset, output), stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not (output / "checkpoint.npz").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (output / "weights.npz").exists()

    done = subprocess.run(command(dataset, output), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on after epoch" in done.stderr
    assert epochs_of(output) == list(range(1, EPOCHS + 1))
    for one, other in zip(
        package.load(output).network().get_weights(), package.load(whole).network().get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=3e-4)


def test_the_model_folder_is_whole(trained):
    _, folder = trained
    assert {path.name for path in folder.iterdir()} == {
        *("weights.npz", "card.json", "README.md", "history.csv", "curves.png", "checkpoint.npz")
    }
    card = json.loads((folder / "card.json").read_text())
    assert card["training"]["command"] == (
        f"agebatch fit faces -o {folder.name} --epochs {EPOCHS} --batch-size 8"
    )
    assert card["training"]["epochs"] == EPOCHS
    assert epochs_of(folder) == list(range(1, EPOCHS + 1))


def test_odd_examples_are_said_and_not_fatal(tmp_path, capsys):
    dataset = faces(tmp_path, 14, genders=(1,))
    (dataset / "30_1_0_20170109000000000.jpg.chip.jpg").write_bytes(b"\xff\xd8\xff" + bytes(4000))
    (dataset / "thirty_1_0_20170109.jpg").write_bytes(b"")
    made = settings(dataset, tmp_path / "model", epochs=1)
    fit.run(made)
    said = " ".join(capsys.readouterr().err.split())
    assert "1 pictures" in said or "1 picture" in said
    assert "30_1_0_20170109000000000.jpg.chip.jpg" in said
    assert "all examples have the same gender" in said
    assert "the model will know little" in said
    assert package.load(tmp_path / "model").card["training"]["epochs"] == 1


def test_ages_alone_can_be_learnt(tmp_path, capsys):
    dataset = faces(tmp_path, 16)
    lines = ["file,age,gender"]
    for number, path in enumerate(sorted(dataset.glob("*.jpg"))):
        path.rename(dataset / f"{number}.jpg")
        lines.append(f"{number}.jpg,{20 + number},")
    (dataset / "labels.csv").write_text("\n".join(lines))
    fit.run(settings(dataset, tmp_path / "model", epochs=1))
    said = capsys.readouterr().err
    assert "no gender is labelled" in " ".join(said.split())
    line = next(line for line in said.splitlines() if line.startswith("epoch 1/1"))
    assert "MAE" in line
    assert "gender" not in line


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(InputError):
        fit.run(FitSettings((str(tmp_path),), str(tmp_path / "model")))
    with pytest.raises(InputError, match=r"missing|no such|exist"):
        fit.run(FitSettings((str(tmp_path / "absent"),), str(tmp_path / "model")))
    with pytest.raises(InputError, match="8 are the least"):
        fit.run(settings(faces(tmp_path, 3), tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_what_a_model_was_made_from_stands_in_its_card(tmp_path, trained):
    dataset, teacher = trained
    output = tmp_path / "pupil"
    fit.run(dataclasses.replace(settings(dataset, output, epochs=1), teachers=(str(teacher),)))
    told = [json.loads((folder / "card.json").read_text())["training"] for folder in (teacher, output)]
    assert told[0]["earlier"] == []
    assert told[1]["earlier"] == [told[0]["command"]]
    assert told[1]["command"].endswith(f"--teacher {teacher.name}")
    words = (output / "README.md").read_text()
    assert words.index(told[0]["command"]) < words.index(told[1]["command"])


def test_a_teacher_that_looks_at_other_pictures_is_refused(tmp_path, trained):
    dataset, teacher = trained
    asked = dataclasses.replace(settings(dataset, tmp_path / "model"), teachers=(str(teacher),), crop=80)
    with pytest.raises(UsageError, match="looks at 96 of 112 pixels, this network at 80 of 112"):
        fit.run(asked)
    assert not (tmp_path / "model").exists()


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_it_trains_on_jax_too(tmp_path, trained):
    dataset, teacher = trained
    asked = [*command(dataset, tmp_path / "model"), "--teacher", str(teacher)]
    done = subprocess.run(
        asked, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (
        "on jax"
        in json.loads((tmp_path / "model" / "card.json").read_text())["training"]["versions"]["Keras"]
    )
    assert len(package.load(tmp_path / "model").network().get_weights()) > 10


def test_going_on_from_a_model_that_looks_at_other_pictures_is_said(tmp_path, trained, capsys):
    dataset, first = trained
    fit.run(dataclasses.replace(settings(dataset, tmp_path / "model", epochs=1), init=str(first), crop=80))
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "looks at 96 of 112 pixels, the new model will look at 80 of 112; --chip 112 --crop 96 keeps them"
        in said
    )
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["training"]["command"].endswith(f"--crop 80 --epochs 1 --batch-size 8 --init {first.name}")
