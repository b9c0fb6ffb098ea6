import pickle

import pytest

from agebatch.errors import UsageError
from agebatch.settings import LARGEST_SIDE, FitSettings, ScanSettings


def settings(**more):
    return ScanSettings(**{"paths": ("photos",), "output": "r.csv", **more})


@pytest.mark.parametrize(
    "wrong",
    [
        {"paths": ()},
        {"output": ""},
        {"output": "r.txt"},
        {"min_face": 0},
        {"min_face": float("nan")},
        {"min_score": 1.2},
        {"max_faces": 0},
        {"max_megapixels": -1},
        {"batch_size": 0},
        {"workers": 0},
        {"limit": 0},
        {"timeout": 0},
        {"wait": -1},
        {"device": "tpu"},
        {"precision": "half"},
        {"sidecar": "iptc"},
        {"prune": True, "limit": 3},
        {"output": "-", "html": "page.html"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        settings(**wrong)


def test_what_makes_sense_is_not():
    settings(output="-")
    settings(output="R.CSV")
    settings(output="", dry_run=True)
    settings(paths=(), files_from="-")


@pytest.mark.parametrize(
    "wrong",
    [
        {"datasets": ()},
        {"epochs": 0},
        {"batch_size": 7},
        {"learning_rate": 0.0},
        {"size": "huge"},
        {"size": "large", "init": "models/first"},
        {"crop": 120},
        {"crop": 40, "coarse": 64},
        {"coarse_share": 1.0},
    ],
)
def test_a_training_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as refused:
        FitSettings(**{"datasets": ("faces",), "output": "model", **wrong})
    assert refused.value.hint


def test_the_fingerprint_names_what_rows_depend_on():
    plain = settings().fingerprint("w")
    assert len(plain) == 8
    assert settings().fingerprint("other weights") != plain
    for more in ({"min_face": 30.0}, {"min_score": 0.95}, {"max_faces": 9}, {"pre_cropped": True}):
        assert settings(**more).fingerprint("w") != plain
    for more in ({"paths": ("x",)}, {"output": "x.csv"}, {"batch_size": 3}, {"strict": True}, {"timeout": 5}):
        assert settings(**more).fingerprint("w") == plain


def test_previews_hold_the_smallest_face_that_was_asked_for():
    assert settings().preview_side(4000, 3000) == 640
    assert settings(min_face=80).preview_side(4000, 3000) * 80 / 4000 == 24
    assert settings(min_face=80).preview_side(3000, 4000) == 1200
    assert settings(min_face=10).preview_side(400, 300) == 400, "never enlarged"
    assert settings(min_face=10).preview_side(9000, 9000) == LARGEST_SIDE


def test_settings_travel_to_other_processes():
    assert pickle.loads(pickle.dumps(settings(min_face=3))) == settings(min_face=3)
