"""What the README says is run: its commands, its tables, its recipes."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from agebatch.cli.app import VERBS, app
from agebatch.errors import ExitCode
from agebatch.results.schema import markdown_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for kind, text in FENCE.findall(README) if kind == language]


def agebatch_commands():
    """Every `agebatch …` in a block for the shell, in order, without what only installs or tests."""
    for block in blocks("sh"):
        for line in block.splitlines():
            for step in line.split("&&"):
                words = shlex.split(step, comments=True)
                if words and Path(words[0]).name == "agebatch":
                    yield words[1:]


COMMANDS = list(agebatch_commands())


def run(words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "agebatch", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_column_table_is_the_generated_one():
    between = re.search(r"<!-- columns.*?-->\n(.*?)<!-- end of columns -->", README, re.DOTALL)
    assert between[1] == markdown_table()


def test_the_exit_codes_are_those_of_the_program():
    section = README.partition("### Exit codes")[2].partition("\n## ")[0]
    named = [
        int(code)
        for cell in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
        for code in cell.split(",")
    ]
    assert sorted(named) == sorted(ExitCode)


def test_every_verb_is_shown():
    assert {words[0] for words in COMMANDS} == set(VERBS)


def _parse(words):
    """Let the command line judge the words, without doing anything."""
    group = typer.main.get_command(app)
    context = group.make_context("agebatch", list(words), resilient_parsing=False)
    _, verb, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    verb.make_context(verb.name, list(rest), parent=context)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_line_is_valid(words):
    _parse(words)


def recipes():
    for text in [*blocks(""), *blocks("ini")]:
        for line in text.splitlines():
            command = re.search(r"\S*/agebatch (.*?)(?: \|\| .*)?$", line)
            if command:
                yield shlex.split(command[1])


@pytest.mark.parametrize("words", list(recipes()), ids=" ".join)
def test_the_recipes_for_the_night_are_valid(words):
    _parse(words)
    assert words[0] == "scan"


def test_there_are_two_recipes():
    assert len(list(recipes())) == 2


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where a reader pastes the commands: the sample photographs, and a folder of photos with a party."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "sample_images", place / "sample_images")
    shutil.copytree(ROOT / "sample_images", place / "photos")
    (place / "photos/four_portraits.jpg").rename(place / "photos/party.jpg")
    return place


def test_the_first_command_finds_the_right_faces_with_believable_ages_and_genders(place):
    first = COMMANDS[0]
    done = run(first, place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "INFO" not in done.stderr and ".cc:" not in done.stderr, "TensorFlow's chatter"
    assert "next: agebatch report results.csv -o results.html" in done.stderr
    with (place / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    faces = {}
    for row in rows:
        faces.setdefault(Path(row["path"]).name, []).append(row)
    assert {name: len(found) if found[0]["age"] else 0 for name, found in faces.items()} == {
        "eileen_collins.jpg": 1,
        "four_portraits.jpg": 4,
        "grace_hopper.jpg": 1,
        "grace_hopper_rotated.jpg": 1,
        "rocket_launch.jpg": 0,
    }
    collins, hopper, turned = (
        faces[name][0] for name in ("eileen_collins.jpg", "grace_hopper.jpg", "grace_hopper_rotated.jpg")
    )
    assert collins["gender"] == "female"
    assert hopper["gender"] == "female"  # a uniform cap over an old face: earlier models took her for a man
    assert 22 < float(collins["age"]) < 50  # 35 or so in the picture
    assert 50 < float(hopper["age"]) < 95  # 77
    assert abs(float(hopper["age"]) - float(turned["age"])) < 1
    for name in "xywh":
        assert abs(float(hopper[name]) - float(turned[name])) < 0.03 * float(hopper["w"])


def test_the_other_commands_on_photographs_do_what_is_said(place):
    wanted = [words for words in COMMANDS[1:] if words[0] in ("scan", "report", "show")]
    assert len(wanted) >= 4
    for words in wanted:
        done = run(words, place)
        assert done.returncode == 0, (words, done.stderr)
    assert (place / "report.html").stat().st_size > 10_000
    assert (place / "marked/photos/party.jpg").is_file()
    assert (place / "photos/party.jpg.xmp").is_file()
    again = run(wanted[0], place)
    assert "nothing to compute" in again.stderr


def test_it_works_from_another_folder_and_for_one_photo_on_stdout(place, tmp_path):
    done = run(["scan", str(place / "photos/eileen_collins.jpg"), "-o", "-"], tmp_path)
    assert done.returncode == 0, done.stderr
    header, row = csv.reader(done.stdout.splitlines())
    assert dict(zip(header, row, strict=True))["gender"] == "female"
