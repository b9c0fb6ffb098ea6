"""The way to a file's bytes: only regular files, and every failure in words."""

from __future__ import annotations

import errno
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NOT_REGULAR = "not a regular file"
REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "the path is too long",
    errno.ELOOP: "a link that leads back to itself",
    errno.EIO: "the disk reports an error (EIO)",
    errno.ESTALE: "the network mount has gone (ESTALE)",
}


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file, and nothing else: opening a FIFO blocks, opening a device may do anything."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # swapped in between
            raise OSError(errno.EINVAL, NOT_REGULAR)
        yield file


def reason_of(error: OSError, path: str | os.PathLike[str]) -> str:
    """Why a file can't be opened or read, for people."""
    if error.errno == errno.ENOENT:
        return "broken link" if Path(path).is_symlink() else "no such file (gone since it was found)"
    return REASONS.get(error.errno or 0, one_line(error))


def one_line(error: Exception) -> str:
    """An exception as one short printable line without file names or addresses."""
    text = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    text = "".join(c if c.isprintable() else " " for c in text.split("<_io", maxsplit=1)[0]).strip()
    return (text or type(error).__name__)[:120]


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_saved: warnings.catch_warnings | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings while decoding. The first thread in hides them and the last one out restores them:
    `catch_warnings` alone, used by several threads, would leave them hidden.
    """
    global _quiet_depth, _quiet_saved  # noqa: PLW0603
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_saved = warnings.catch_warnings()
            _quiet_saved.__enter__()
            warnings.simplefilter("ignore")
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0 and _quiet_saved is not None:
                _quiet_saved.__exit__(None, None, None)
                _quiet_saved = None
