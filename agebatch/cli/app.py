"""The application and its edge: the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import agebatch
from agebatch import console
from agebatch.errors import AgebatchError, ExitCode, Interrupted

# In the order of a newcomer's interest. The first line of each verb's own help says the same.
VERBS = {
    "scan": "Find every face in folders of photographs and write a report.",
    "report": "Make one page of a report: who is in it, how sure, and what went wrong.",
    "show": "Show one photograph's faces, and the picture where the terminal can.",
    "dataset": "Explain labelled faces: counts, duplicates, probably wrong labels.",
    "fit": "Train a model on labelled faces.",
    "evaluate": "Measure a model on labelled faces, overall and by group.",
    "export": "Write a model in another format, and check its answers.",
    "bench": "Measure where the time of a scan goes on this machine.",
}


class _Edge(TyperGroup):
    """Turns every error that a command raises into words on stderr and an exit code.

    A verb's options are made when the verb is called; until then its name and one line stand for it.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=line) for name, line in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in VERBS:
            self.commands[args[0]] = _options_of(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AgebatchError as error:
            if isinstance(error.__cause__, BrokenPipeError):
                _forget_stdout()
            else:
                console.error(error, exit_code=int(error.exit_code))
            ctx.exit(int(error.exit_code))
        except KeyboardInterrupt:
            console.error(Interrupted("interrupted"), exit_code=int(ExitCode.SIGINT))
            ctx.exit(int(ExitCode.SIGINT))
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(int(ExitCode.OUTPUT))


EPILOG = (
    "Options can also come from a file (--config agebatch.toml) or from variables (AGEBATCH_SCAN_MIN_FACE)."
)

app = typer.Typer(
    cls=_Edge,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "AGEBATCH"},
    help="Apparent age and gender of every face in folders of photographs, with honest uncertainty.",
    epilog=EPILOG,
)


def _options_of(verb: str) -> Any:
    module = importlib.import_module(f"agebatch.cli.{verb}")
    alone = typer.Typer(rich_markup_mode="rich", add_completion=False)
    alone.callback()(lambda: None)
    module.add_to(alone)
    return typer.main.get_command(alone).commands[verb]


def _forget_stdout() -> None:
    # Its reader has gone (`| head`), which is no news to anybody; Python would complain once more at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(wanted: bool) -> None:
    if wanted:
        console.data(f"agebatch {agebatch.__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, show_envvar=False, help="Say the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run `agebatch` as a program: never returns."""
    signal.signal(signal.SIGTERM, _terminated)
    code = ExitCode.BUG
    try:
        app(standalone_mode=True, prog_name="agebatch")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else ExitCode.DONE
    except KeyboardInterrupt:
        code = ExitCode.SIGINT
    except AgebatchError as error:  # a signal between two commands
        console.error(error)
        code = error.exit_code
    except Exception:
        traceback.print_exc()
        console.error("this is a bug in agebatch", "please report it with the lines above")
    _leave(int(code))


def _terminated(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
    raise Interrupted("terminated (SIGTERM)", signal="SIGTERM")


def _leave(code: int) -> None:
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if not others:
        sys.exit(code)
    # A thread inside TensorFlow can't be stopped, and Python's shutdown would wait for it or crash.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
