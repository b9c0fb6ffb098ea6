"""The look that every page shares: one self-contained HTML file from a template in this folder.

A page opens from a mail attachment: styles, scripts, plots and thumbnails are inside it, and its content
security policy forbids every request and every script but our own, so that even a name that would slip
through the escaping could neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from agebatch import __version__
from agebatch.results.atomic import AtomicFile

FOLDER = Path(__file__).parent


def render(template: str, *, script: str = "", **values: object) -> str:
    """Fill `template` (a `*.html.j2` here that extends `base.html.j2`) with `values`, every text escaped.

    `script` names a `*.js` file of this folder to put at the end of the page. Markup that is meant as
    markup (an SVG of `plots`) is handed over as `Svg`/`markupsafe.Markup`, or marked `|safe` in the template.
    """
    code = (FOLDER / script).read_text(encoding="utf-8") if script else ""
    page = _environment().get_template(template)
    return page.render(code=code, policy=_policy(code), version=__version__, **values)


def write_page(path: str | Path, html: str) -> None:
    """Write a page beside `path`, then rename it: a reader sees the old page or the new one, never half.

    Raises OutputError when the folder is missing, full or not writable.
    """
    with AtomicFile(path) as page:
        page.file.write(html.encode("utf-8", "replace"))


def embed_json(value: object) -> str:
    """`value` as JSON that can stand between `<script type="application/json">` and `</script>`.

    >>> embed_json({"a": "</script>"})
    '{"a":"\\\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # "<" covers </script> and <!--; U+2028 and U+2029 end a line in old JavaScript; UTF-8 has no surrogates.
    for odd, escaped in (("<", "\\u003c"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(odd, escaped)
    return text.encode("utf-8", "replace").decode("utf-8")


def number(value: float | None, decimals: int = 0) -> str:
    """A number for people, an en dash for none.

    >>> number(1234567), number(3.14159, 1), number(None), number(float("nan"))
    ('1,234,567', '3.1', '–', '–')
    """
    return "–" if value is None or math.isnan(value) else f"{value:,.{decimals}f}"


def percent(value: float | None, decimals: int = 1) -> str:
    """A share of 1 for people.

    >>> percent(0.1234), percent(1, 0), percent(None)
    ('12.3 %', '100 %', '–')
    """
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{decimals}f} %"


@cache
def _environment() -> Any:
    import jinja2  # noqa: PLC0415 - `agebatch --help` passes here and needs none of it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent}
    return environment


def _policy(code: str) -> str:
    """The page's content security policy; only the script with this very text may run."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if code else "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )
