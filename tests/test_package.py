"""What the package promises beside its code: version, entry points, files that travel with it."""

import importlib
import re
from importlib import metadata
from pathlib import Path

import agebatch
from agebatch.model.package import models_dir

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_command_is_where_the_package_says():
    module, function = re.search(r'^agebatch = "([\w.]+):(\w+)"', PYPROJECT, re.MULTILINE).groups()
    assert callable(getattr(importlib.import_module(module), function))
    assert metadata.version("agebatch") == agebatch.__version__


def test_types_and_licence_travel_with_it():
    assert Path(agebatch.__file__).with_name("py.typed").is_file()
    assert "MIT" in (ROOT / "LICENSE").read_text("utf-8")


def test_the_models_travel_with_it_and_are_small():
    assert '"models" = "agebatch/_models"' in PYPROJECT
    folder = models_dir()
    for name in (
        "detector/card.json",
        "age_gender/card.json",
        "age_gender/weights.npz",
        "age_gender/README.md",
    ):
        assert (folder / name).is_file(), name
    assert (folder / "age_gender/weights.npz").stat().st_size < 15e6


def test_every_sample_photograph_has_its_origin_and_terms():
    folder = ROOT / "sample_images"
    told = (folder / "README.md").read_text("utf-8")
    photographs = [path for path in folder.iterdir() if path.suffix == ".jpg"]
    assert len(photographs) >= 5
    for path in photographs:
        assert f"`{path.name}`" in told
        assert path.stat().st_size < 300_000


def test_the_changes_name_the_version():
    assert f"## {agebatch.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_room_and_file_says_what_it_is():
    for path in (ROOT / "agebatch").rglob("*.py"):
        assert path.read_text("utf-8").lstrip().startswith(('"""', 'r"""')), path
