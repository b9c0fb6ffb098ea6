"""Everything that can end a whole run, and the exit code it ends with.

    AgebatchError
    ├── UsageError      2    an option or a combination of options makes no sense
    ├── InputError      3    what should be read is missing or empty
    ├── ModelError      4    a model is missing, damaged or not ours
    ├── OutputError     5    the output can't be written, or is somebody else's
    ├── StrictError     6    --strict, and some images could not be read
    ├── BusyError      75    another run holds this output
    └── Interrupted   130    Ctrl-C (130) or SIGTERM (143); progress is kept

A single bad photograph is never an exception: it is a row with a status.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `agebatch` tells the shell; part of the contract, so it only grows."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    MODEL = 4
    OUTPUT = 5
    STRICT = 6
    BUSY = 75
    SIGINT = 130
    SIGTERM = 143


class AgebatchError(Exception):
    """Ends the run. `str(error)` says what happened and where; `hint` says what to try."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(AgebatchError):
    """An option, or a combination of options, that makes no sense."""

    exit_code = ExitCode.USAGE


class InputError(AgebatchError):
    """What should be read is missing or empty."""

    exit_code = ExitCode.INPUT


class ModelError(AgebatchError):
    """A model folder is missing, damaged or not ours."""

    exit_code = ExitCode.MODEL


class OutputError(AgebatchError):
    """The output can't be written, or it exists and is not ours to replace."""

    exit_code = ExitCode.OUTPUT


class StrictError(AgebatchError):
    """With --strict: the report is complete, but some images could not be read."""

    exit_code = ExitCode.STRICT


class BusyError(AgebatchError):
    """Another run holds the lock of this output."""

    exit_code = ExitCode.BUSY


class Interrupted(AgebatchError):
    """The run was asked to stop; what was finished is kept."""

    def __init__(self, message: str, hint: str = "", *, signal: str = "SIGINT") -> None:
        super().__init__(message, hint)
        self.exit_code = ExitCode.SIGTERM if signal == "SIGTERM" else ExitCode.SIGINT
