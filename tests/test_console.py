import json

import pytest

from agebatch import console
from agebatch.errors import InputError


@pytest.fixture(autouse=True)
def _plain():
    console.configure()
    yield
    console.configure()


def test_nothing_in_a_file_name_reaches_the_terminal_as_a_command(capsys):
    console.note("a\x1b]0;owned\x07 [red]b[/red] \u202egpj.exe \udcff\n")
    err = capsys.readouterr().err
    assert err == "a\\x1b]0;owned\\x07 [red]b[/red] \\u202egpj.exe \\xff\\n\n"


def test_people_are_on_stderr_and_data_on_stdout(capsys):
    console.note("for people")
    console.data("for programs\n")
    assert capsys.readouterr() == ("for programs\n", "for people\n")


def test_quiet_keeps_warnings_and_errors(capsys):
    console.configure(quiet=True)
    console.note("one")
    console.detail("two")
    console.table([["three"]])
    console.warn("four")
    console.error(InputError("five", "six"))
    assert capsys.readouterr().err == "warning: four\nerror: five\n  try: six\n"


def test_a_long_line_is_not_cut_where_there_is_no_terminal(capsys):
    console.note("x" * 500)
    assert capsys.readouterr().err == "x" * 500 + "\n"


def test_json_is_one_object_a_line_with_the_id_of_the_run(capsys):
    console.configure(log_format="json", verbose=True)
    console.note("a\nb\udcff", "found", images=3)
    console.detail("more")
    console.error("bad", "better")
    console.table([["ok", 1]], ["status", "images"])
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [e["event"] for e in events] == ["found", "detail", "error", "table"]
    assert {e["run"] for e in events} == {console.run_id()}
    assert events[0]["message"] == "a\nb\\xff"
    assert events[0]["images"] == 3
    assert events[2]["hint"] == "better"
    assert events[3]["rows"] == [["ok", "1"]]


def test_table_shows_markup_as_it_is(capsys):
    console.table([["[bold]x[/bold]", "\x07"]], ["[a]", "b"], title="[t]")
    err = capsys.readouterr().err
    assert "[bold]x[/bold]" in err and "[a]" in err and "[t]" in err and "\\x07" in err


def test_progress_off_a_terminal_says_a_line_now_and_then(capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    with console.progress(200) as progress:
        for _ in range(100):
            clock[0] += 1
            progress.advance(extra="7 faces")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "30 of 200 (15%) images, 1.0 per second, 2 min 50 s left, 7 faces"


@pytest.mark.parametrize("how", [{"quiet": True}, {"progress": False}])
def test_progress_can_be_silent(capsys, monkeypatch, how):
    console.configure(**how)
    monkeypatch.setattr(console, "PLAIN_EVERY", 0.0)
    with console.progress(2) as progress:
        progress.advance()
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal_survives_hostile_text(capsys, monkeypatch):
    monkeypatch.setattr(console, "_is_terminal", lambda: True)
    with console.progress(2) as progress:
        progress.advance(extra="[/nonsense] \x1b[31m")
        progress.advance()
    assert progress.done == 2
