import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from agebatch import console
from agebatch.commands import show
from agebatch.commands.show import ShowSettings, run
from agebatch.errors import InputError, UsageError
from agebatch.results.schema import row


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(np.full((80, 120, 3), 90, np.uint8)).save(tmp_path / "a.jpg")
    return str(tmp_path / "a.jpg")


@pytest.fixture
def found(monkeypatch, photo):
    """Let the scan of a photograph give these rows."""

    def give(*rows):
        monkeypatch.setattr(
            show, "rows_of", lambda *_: [row(path=photo, width=120, height=80, **r) for r in rows]
        )

    return give


FACE = {
    "status": "ok", "faces": 1, "face": 0, "x": 30.0, "y": 20.0, "w": 40.0, "h": 44.0, "face_score": 0.99,
    "age": 34.2, "age_low": 28.0, "age_high": 41.4, "gender": "female", "gender_confidence": 0.97,
}  # fmt: skip


def test_a_table_on_stderr_and_nothing_on_stdout(photo, found, capsys):
    found(FACE)
    run(ShowSettings(photo))
    out, err = capsys.readouterr()
    assert out == "" and "\x1b" not in err
    for text in ("34.2", "28.0–41.4", "female", "97.0 %", "30, 20, 40 × 44", "120 × 80"):
        assert text in err


def test_the_picture_where_the_terminal_can_show_it(photo, found, capsys, monkeypatch):
    found(FACE)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name in ("TMUX", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run(ShowSettings(photo))
    assert "▀" in capsys.readouterr().err
    run(ShowSettings(photo, picture=False))
    assert "▀" not in capsys.readouterr().err


def test_no_face_is_an_answer(photo, found, capsys):
    found({"status": "no_face", "faces": 0})
    run(ShowSettings(photo))
    assert "no face" in capsys.readouterr().err


def test_what_cannot_be_shown_ends_with_the_reason(photo, found, tmp_path):
    found({"status": "unreadable", "message": "empty file"})
    with pytest.raises(InputError, match="empty file"):
        run(ShowSettings(photo))
    with pytest.raises(UsageError):
        ShowSettings("")
    with pytest.raises(InputError, match="gone"):
        _rows(str(tmp_path / "gone.jpg"))
    with pytest.raises(UsageError, match="folder"):
        _rows(str(tmp_path))


def _rows(path):
    return ORIGINAL(ShowSettings(path))


ORIGINAL = show.rows_of


def test_the_rows_are_those_of_the_scan_chain(photo):
    look = SimpleNamespace(
        found=SimpleNamespace(path=photo, size=1, mtime_ns=1), status=None, message="", width=120, height=80,
        preview=np.zeros((80, 120, 3), np.uint8),
    )  # fmt: skip
    readers = SimpleNamespace(
        look=lambda found: iter([look for _ in found]),
        cut=lambda look, points, chip: SimpleNamespace(
            result=lambda timeout=None: np.zeros((len(points), 8, 8, 3), np.uint8), done=lambda: True
        ),
    )
    nobody = SimpleNamespace(
        boxes=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32),
        points=np.zeros((0, 5, 2), np.float32), capped=False,
    )  # fmt: skip
    tools = SimpleNamespace(
        model="fake/1",
        readers=lambda: contextlib.nullcontext(readers),
        detector=lambda: SimpleNamespace(detect=lambda batch: [nobody for _ in batch]),
        predictor=lambda: SimpleNamespace(chip=8, batch_size=1, predict=lambda chips: iter(())),
    )
    (only,) = ORIGINAL(ShowSettings(photo), lambda _: tools)
    assert only["status"] == "no_face" and only["path"] == photo and only["model"] == "fake/1"


def test_quiet_says_nothing(photo, found, capsys):
    found(FACE)
    console.configure(quiet=True)
    try:
        run(ShowSettings(photo, picture=False))
        assert capsys.readouterr().err == ""
    finally:
        console.configure()
