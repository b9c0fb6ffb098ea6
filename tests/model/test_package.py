"""A model folder is whole or it is refused."""

import json

import numpy as np
import pytest

from agebatch.errors import ModelError
from agebatch.model import package

CARD = {
    "name": "tiny",
    "architecture": {"stem": 4, "widths": [4], "blocks": [1], "dropout": 0.1},
    "input": {"chip": 40, "crop": 34, "mirror": True, "template": "utkface"},
    "calibration": {"point": "mean", "width": 1.5, "temperature": 1.1},
}


@pytest.fixture
def saved(tmp_path):
    return package.save(tmp_path / "tiny", [np.full((2, 3), 0.5, np.float32)], CARD, "words\n")


def test_what_is_saved_is_loaded(saved):
    loaded = package.load(saved.folder)
    assert loaded == saved
    assert (loaded.name, loaded.chip, loaded.calibration.width) == ("tiny", 40, 1.5)
    assert loaded.fingerprint == saved.fingerprint
    assert sorted(p.name for p in saved.folder.iterdir()) == ["README.md", "card.json", "weights.npz"]


def test_the_fingerprint_changes_with_whatever_changes_answers(saved, tmp_path):
    other = {**CARD, "calibration": {**CARD["calibration"], "width": 2.0}}
    weights = [np.full((2, 3), 0.5, np.float32)]
    assert package.save(tmp_path / "b", weights, other, "").fingerprint != saved.fingerprint
    assert package.save(tmp_path / "c", [w + 1 for w in weights], CARD, "").fingerprint != saved.fingerprint
    assert package.save(tmp_path / "d", weights, {**CARD, "name": "n"}, "").fingerprint == saved.fingerprint


@pytest.mark.parametrize("damage", ["no card", "no weights", "changed", "not json", "no name", "format 9"])
def test_a_damaged_folder_is_refused(saved, damage):
    card, weights = saved.folder / "card.json", saved.folder / "weights.npz"
    said = json.loads(card.read_text())
    if damage == "no card":
        card.unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    elif damage == "not json":
        card.write_text("{")
    elif damage == "no name":
        card.write_text(json.dumps({k: v for k, v in said.items() if k != "name"}))
    else:
        card.write_text(json.dumps({**said, "format": 9}))
    with pytest.raises(ModelError, match="tiny"):
        package.load(saved.folder)
