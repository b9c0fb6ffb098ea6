"""What is not needed is not loaded: asserted by `sys.modules`, never by a clock."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "pandas", "matplotlib", "numpy", "pyarrow", "PIL", "jinja2", "joblib")
CODE = """
import sys
sys.argv = ["agebatch", *{arguments!r}]
from agebatch.cli import app
try:
    app()
except SystemExit as end:
    print("\\ncode", end.code, sorted(set({heavy!r}) & set(sys.modules)))
"""


def loaded(arguments, heavy, cwd):
    code = CODE.format(arguments=arguments, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["scan", "--help"], 0),
        (["scan", "--nonsense"], 2),
        (["scan"], 2),
        (["scan", "photos", "-o", "wrong.ending"], 2),
        (["report", "--help"], 0),
    ],
)
def test_help_version_and_wrong_usage_load_nothing_heavy(arguments, code, tmp_path):
    assert loaded(arguments, HEAVY, tmp_path) == f"code {code} []"


@pytest.mark.parametrize("room", ["images.discovery", "images.reading", "results.files", "results.earlier",
                                  "faces.boxes", "faces.alignment", "datasets.labelled", "pipeline.chain",
                                  "commands.scan", "workers"])  # fmt: skip
def test_rooms_that_load_without_tensorflow(room, tmp_path):
    heavy = ("tensorflow", "keras", "pandas", "matplotlib")
    code = f"import sys, agebatch.{room}; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"


def test_a_scan_with_nothing_to_compute_does_not_load_tensorflow(tmp_path):
    code = """
import sys
sys.path.insert(0, {root!r})
from tests import fakes
from agebatch.commands import scan
from agebatch.settings import ScanSettings
fakes.photo("photos/a.png", 4)
settings = ScanSettings(("photos",), "r.csv")
scan.run(settings, fakes.fake_tools)
scan.run(settings, fakes.fake_tools)
print([name for name in ("tensorflow", "keras", "pandas", "matplotlib", "pyarrow") if name in sys.modules])
"""
    root = str(__import__("pathlib").Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code.format(root=root)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout == "[]\n"
    assert "nothing to compute: 1 photograph unchanged" in done.stderr
