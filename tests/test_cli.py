import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import agebatch
from agebatch import errors
from agebatch.cli import app
from agebatch.cli.app import VERBS
from agebatch.cli.config import load
from agebatch.commands import scan as command
from agebatch.errors import ExitCode, UsageError

PHOTOS = "some-folder"


@pytest.fixture
def asked(monkeypatch):
    """What `scan` is asked to do, without doing it."""
    seen = []
    monkeypatch.setattr(command, "run", lambda settings, **_: seen.append(settings))
    return seen


def agebatch_(*arguments, env=None):
    return CliRunner().invoke(app, list(arguments), env=env)


def test_version():
    result = agebatch_("--version")
    assert (result.stdout, result.exit_code) == (f"agebatch {agebatch.__version__}\n", 0)


def test_help_names_the_verbs_and_each_verb_ends_with_examples():
    listed = agebatch_("--help").stdout
    for verb in VERBS:
        assert f" {verb} " in listed
        text = agebatch_(verb, "--help").stdout
        assert f"agebatch {verb}" in text.partition("Examples")[2], verb


def test_defaults_are_those_of_the_settings(asked):
    assert agebatch_("scan", PHOTOS, "-o", "r.csv").exit_code == 0
    assert asked == [command.ScanSettings(paths=(PHOTOS,), output="r.csv")]


def test_command_line_before_variable_before_file(asked, tmp_path):
    config = tmp_path / "agebatch.toml"
    config.write_text(
        '[scan]\nmin-face = 10\nmin_score = 0.81\nmax-faces = 1\nexclude = ["a", "b"]\nstrict = true\n'
    )
    env = {"AGEBATCH_SCAN_MIN_SCORE": "0.82", "AGEBATCH_SCAN_MAX_FACES": "2"}
    result = agebatch_("scan", PHOTOS, "-o", "r.csv", "--config", str(config), "--max-faces", "3", env=env)
    assert result.exit_code == 0, result.output
    (settings,) = asked
    assert (settings.min_face, settings.min_score, settings.max_faces) == (10, 0.82, 3)
    assert settings.exclude == ("a", "b") and settings.strict


def test_paths_and_output_may_come_from_the_file(asked, tmp_path):
    config = tmp_path / "nightly.toml"
    config.write_text('[scan]\npaths = ["a", "b"]\noutput = "r.parquet"\n[fit]\nepochs = 3\n')
    assert agebatch_("scan", env={"AGEBATCH_CONFIG": str(config)}).exit_code == 0
    assert (asked[0].paths, asked[0].output) == (("a", "b"), "r.parquet")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("min-face = 10", "outside a table"),
        ("[scan]\nmin-fase = 10", "did you mean min-face"),
        ("[scan]\nmin-face = [1, 2]", "takes one value"),
        ("[scan]\nstrict = 'yes'", "true or false"),
        ("[scan", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_wrong_usage(asked, tmp_path, text, complaint):
    config = tmp_path / "agebatch.toml"
    config.write_text(text)
    result = agebatch_("scan", PHOTOS, "-o", "r.csv", "--config", str(config))
    assert result.exit_code == ExitCode.USAGE
    assert complaint in result.stderr.replace("\n", " ")
    assert not asked


def test_a_missing_file_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="can't read"):
        load(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "--nonsense"),
        ("scan", PHOTOS),
        ("scan", "-o", "r.csv"),
        ("scan", PHOTOS, "-o", "r.xlsx"),
        ("scan", PHOTOS, "-o", "r.csv", "--min-face", "big"),
        ("scan", PHOTOS, "-o", "r.csv", "--log-format", "xml"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_2(asked, arguments):
    result = agebatch_(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == "" and result.stderr and not asked


ERRORS = [
    (errors.InputError("a"), 3),
    (errors.ModelError("a"), 4),
    (errors.OutputError("a"), 5),
    (errors.StrictError("a"), 6),
    (errors.BusyError("a"), 75),
    (errors.Interrupted("a"), 130),
    (errors.Interrupted("a", signal="SIGTERM"), 143),
    (KeyboardInterrupt(), 130),
    (RuntimeError("a"), 1),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_every_error_has_its_exit_code(monkeypatch, error, code):
    def fail(settings, **_):
        raise error

    monkeypatch.setattr(command, "run", fail)
    assert agebatch_("scan", PHOTOS, "-o", "r.csv").exit_code == code


def test_an_error_says_what_and_what_to_try(monkeypatch):
    def fail(settings, **_):
        raise errors.InputError("no \x1b[31mfolder", "make one")

    monkeypatch.setattr(command, "run", fail)
    assert agebatch_("scan", PHOTOS, "-o", "r.csv").stderr == "error: no \\x1b[31mfolder\n  try: make one\n"


def _process(code, **more):
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def test_a_bug_is_1_and_shows_where():
    code = (
        "import sys; sys.argv = ['agebatch', 'scan', 'x', '-o', 'r.csv']\n"
        "from agebatch.commands import scan; scan.run = lambda settings, **_: 1 / 0\n"
        "from agebatch.cli import main; main()"
    )
    process = _process(code)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.BUG
    assert "ZeroDivisionError" in err and "this is a bug in agebatch" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_the_program_with_their_code(number, code):
    process = _process(
        "import sys, time; sys.argv = ['agebatch', 'scan', 'x', '-o', 'r.csv']\n"
        "from agebatch.commands import scan\n"
        "scan.run = lambda settings, **_: (print('ready', flush=True), time.sleep(60))\n"
        "from agebatch.cli import main; main()"
    )
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err


def test_the_module_is_the_program():
    done = subprocess.run(
        [sys.executable, "-m", "agebatch", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path("/"),
    )
    assert done.stdout == f"agebatch {agebatch.__version__}\n"
