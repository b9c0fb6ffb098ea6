import base64
import hashlib
import json
import re

import jinja2
import pytest

from agebatch.errors import OutputError
from agebatch.pages import shell

HOSTILE = "</script><script>alert(1)</script>\"'&\n\u202egpj\u2028<!--"


def render(body, **values):
    environment = shell._environment()
    source = '{% extends "base.html.j2" %}{% import "parts.html.j2" as parts %}{% block content %}' + body
    template = environment.from_string(source + "{% endblock %}")
    return template.render(code="", policy=shell._policy(""), version="0", **values)


def test_every_text_is_escaped():
    page = render(
        "{{ parts.table((x,), ((x, x),), x) }}{{ parts.facts([(x, x, x)]) }}{{ parts.plot('', x) }}",
        x=HOSTILE,
    )
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_a_forgotten_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render("{{ forgotten }}")


def test_json_in_a_page_cannot_end_its_script():
    text = shell.embed_json({"name": HOSTILE, "lone": "\udcff"})
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text)["name"] == HOSTILE


def test_only_our_own_script_may_run_and_nothing_be_fetched():
    code = (shell.FOLDER / "report.js").read_text("utf-8")
    policy = shell._policy(code)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")
    assert "script-src 'none'" in shell._policy("")


def test_no_template_names_a_place_to_fetch_from():
    for file in shell.FOLDER.glob("*.[cjh]*"):
        found = re.findall(
            r"(?:src|href)=\"(?!#|data:|\{\{)[^\"]*|url\([^)]*|@import[^;]*", file.read_text("utf-8")
        )
        assert not found, f"{file.name}: {found}"


def test_pages_are_written_whole_or_not_at_all(tmp_path):
    shell.write_page(tmp_path / "a.html", "näme \udcff")
    assert (tmp_path / "a.html").read_text("utf-8") == "näme ?"
    with pytest.raises(OutputError):
        shell.write_page(tmp_path / "missing" / "a.html", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
