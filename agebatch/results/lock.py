"""One run at a time for each report: a lock beside it that dies with its process.

The lock is the kernel's (`flock`) on a hidden file (`.results.csv.lock`), so a run that is killed, even by a
power loss, leaves nothing that would stop the next one; the file's text only says who holds it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from agebatch.errors import BusyError
from agebatch.results.atomic import beside, fcntl, output_errors, real_output
from agebatch.results.names import one_line

_POLL_S = 0.2
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})


class Lock:
    """Held from construction until `release`, the end of a `with` block, or the end of the process.

    Args:
        output: the report to hold.
        wait: seconds to wait for another run; 0 gives up at once.
        on_warning: told once where this file system has no locks, the run then goes on without; and, before
            it waits, whom it waits for.

    Raises:
        BusyError: another run holds the report; the message says who.
        OutputError: the lock file can't be made.
    """

    def __init__(
        self,
        output: str | Path,
        *,
        wait: float = 0.0,
        on_warning: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.output = str(output)
        self.file = beside(real_output(output), ".lock")
        self.held = False
        self._descriptor: int | None = None
        if fcntl is None:
            on_warning(f"this system has no file locks: take care that no other run writes {output}")
            return
        give_up = time.monotonic() + wait
        with output_errors(self.file):
            waiting = False
            while not self._try(on_warning):
                left = give_up - time.monotonic()
                busy = f"another run is writing {self.output}: {self._holder()}"
                if left <= 0:
                    raise BusyError(busy, "wait for it with --wait SECONDS, or name another output")
                if not waiting:
                    on_warning(f"{busy}; waiting up to {wait:g} s")
                waiting = True
                time.sleep(min(_POLL_S, left))

    def release(self) -> None:
        """Let the next run in; harmless when called twice."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self.file.unlink()  # while we hold it: whoever opened it before sees that it has no name any more
        os.close(self._descriptor)
        self._descriptor, self.held = None, False

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _try(self, on_warning: Callable[[str], None]) -> bool:
        """One attempt; True when there is nothing more to wait for."""
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_named(descriptor, self.file):
                os.close(descriptor)  # its holder removed it between our open and our lock
                return self._try(on_warning)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _UNSUPPORTED:
                raise
            with contextlib.suppress(OSError):
                self.file.unlink()
            on_warning(
                f"{self.file.parent} has no file locks: take care that no other run writes {self.output}"
            )
            return True
        self._descriptor, self.held = descriptor, True
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _introduction(), 0)
        return True

    def _holder(self) -> str:
        try:
            who = json.loads(self.file.read_bytes())
            host, since = one_line(str(who["host"])), one_line(str(who["since"]))
            return f"process {int(who['pid'])} on {host}, since {since}"
        except (OSError, ValueError, KeyError, TypeError):
            return "it has not said who it is"


def _is_named(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _introduction() -> bytes:
    who = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    return json.dumps(who).encode() + b"\n"
