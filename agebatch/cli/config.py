"""Options from a TOML file: one table per verb, its keys named like the options.

[scan]
paths = ["/srv/photos"]
output = "/srv/faces.parquet"
min-face = 40
exclude = ["*.tmp.jpg"]
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import typer

from agebatch.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load(path: str) -> dict[str, dict[str, Any]]:
    """Read the file: verb → option → value.

    Raises:
        UsageError: it is missing, isn't TOML, or holds something else than tables.
    """
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"can't read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"{path}: {name!r} stands outside a table", f"put it below a line [scan]: {name} = …"
            )
    return tables


def apply(path: str, ctx: typer.Context) -> None:
    """Make the file's table for the verb at hand the defaults of its options."""
    table = load(path).get(ctx.info_name or "", {})
    known: dict[str, Any] = {}
    for parameter in ctx.command.params:
        for name in [parameter.name or "", *parameter.opts]:
            known[_key(name)] = parameter
    defaults = {}
    for key, value in table.items():
        parameter = known.get(_key(key))
        if parameter is None or parameter.name == "config":
            near = difflib.get_close_matches(_key(key), known, n=1)
            hint = (
                f"did you mean {near[0].replace('_', '-')}?" if near else f"agebatch {ctx.info_name} --help"
            )
            raise UsageError(f"{path}: there is no option {key!r} of {ctx.info_name}", hint)
        if isinstance(value, dict):
            raise UsageError(f"{path}: {key!r} must not be a table")
        is_list, takes_list = (
            isinstance(value, list),
            bool(getattr(parameter, "multiple", False)) or (parameter.nargs != 1),
        )
        if is_list and not takes_list:
            raise UsageError(f"{path}: {key!r} takes one value, not a list")
        if getattr(parameter, "is_flag", False) and not isinstance(value, bool):
            raise UsageError(f"{path}: {key!r} is either true or false")
        defaults[parameter.name] = [value] if takes_list and not is_list else value
    ctx.default_map = defaults


def _key(name: str) -> str:
    return name.lstrip("-").replace("-", "_")
