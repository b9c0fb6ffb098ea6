"""Files that are either the old one or the new one at every instant, also when the disk is full.

The new content goes to a hidden file in the same folder (`.results.csv.1f2e3d4c.writing`), reaches the disk,
and then takes the name. A run that is killed leaves at most that hidden file; the next run removes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from agebatch.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

WRITING = ".writing"
_DAY_S = 86_400
_LONGEST_NAME = 200  # bytes; with our endings it stays below the 255 that file systems allow


class AtomicFile:
    """A file that appears under `path` only when it is complete.

    Args:
        path: where it shall appear; through a symbolic link, the file that the link names is replaced.
        clean: also remove what killed writers of the same file left behind.

    Raises:
        OutputError: the folder is missing, full or not writable, or `path` is a folder or a device.
    """

    def __init__(self, path: str | Path, *, clean: bool = True) -> None:
        self.path = real_output(path)
        with output_errors(self.path):
            check_replaceable(self.path)
            if clean:
                remove_stale(self.path)
            self._temporary, self.file = _open_temporary(self.path)

    def commit(self) -> None:
        """Make it durable, then let it take its name; on failure the old file stays."""
        try:
            with output_errors(self.path):
                self.file.flush()
                with contextlib.suppress(OSError):  # no old file, or a file system without modes
                    os.fchmod(self.file.fileno(), self.path.stat().st_mode & 0o777)
                os.fsync(self.file.fileno())
                self.file.close()  # before the rename: network file systems tell of a full disk only here
                self._temporary.replace(self.path)
                sync_folder(self.path.parent)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop what was written; the old file stays. Harmless after `commit`."""
        with contextlib.suppress(OSError, ValueError):
            self.file.close()  # may fail once more to flush to a full disk
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


def real_output(path: str | Path) -> Path:
    """The file behind `path`: a report named through two symbolic links is one report with one lock."""
    return Path(os.path.realpath(path))


def beside(output: Path, ending: str) -> Path:
    """A hidden name in the same folder that belongs to `output`: `.results.csv.lock`.

    >>> beside(Path("out/results.csv"), ".lock").as_posix()
    'out/.results.csv.lock'
    """
    name = output.name
    raw = os.fsencode(name)
    if len(raw) > _LONGEST_NAME:
        name = f"{raw[:100].decode('ascii', 'ignore')}.{hashlib.sha256(raw).hexdigest()[:16]}"
    return output.with_name(f".{name}{ending}")


def remove_stale(output: Path) -> None:
    """Remove half-written files of `output` whose writers are gone."""
    prefix = beside(output, ".").name
    with os.scandir(output.parent) as entries:
        names = [e.name for e in entries if e.name.startswith(prefix) and e.name.endswith(WRITING)]
    for name in names:
        stale = output.with_name(name)
        with contextlib.suppress(OSError):
            if _writer_is_gone(stale):
                stale.unlink()


@contextlib.contextmanager
def output_errors(output: str | Path) -> Iterator[None]:
    """Turn the system's refusals inside the block into an OutputError that says what to try."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise OutputError(f"can't write {output}: {reason}", _hint(error, output)) from error


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power loss, where the file system offers that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    while True:
        temporary = beside(path, f".{secrets.token_hex(4)}{WRITING}")
        file = open(temporary, "xb", buffering=1 << 20)  # noqa: SIM115, PTH123 - closed by commit or abort
        # Held while we live, so that another run can tell a writer at work from what a killed one left.
        if _flock(file) is not False and temporary.exists():
            return temporary, file
        file.close()


def _writer_is_gone(temporary: Path) -> bool:
    with temporary.open("rb") as file:
        locked = _flock(file)
        if locked is None:  # no locks here: only time can tell
            return time.time() - os.fstat(file.fileno()).st_mtime > _DAY_S
        return locked


def _flock(file: BinaryIO) -> bool | None:
    """True: locked; False: another process holds it; None: this file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def check_replaceable(path: Path) -> None:
    """Raise OutputError where `path` is there and isn't an ordinary file that we may replace."""
    if not path.exists():
        return
    if path.is_dir():
        raise OutputError(f"can't write {path}: it is a folder", "name a file with -o")
    if not path.is_file():
        raise OutputError(f"can't write {path}: it is not an ordinary file", "use -o - to write to a pipe")
    if not os.access(path, os.W_OK):
        raise OutputError(f"can't write {path}: it is write-protected", "chmod u+w it, or name another")


def _hint(error: OSError, output: str | Path) -> str:
    folder = Path(output).parent
    return {
        errno.ENOSPC: f"free some space for {folder} and run the same command again; what is done is kept",
        errno.EDQUOT: f"your quota for {folder} is used up; make room and run the same command again",
        errno.EFBIG: "the file would pass the size limit of this process (ulimit -f) or of this disk",
        errno.EACCES: f"you may not write in {folder}; name another place with -o",
        errno.EPERM: f"you may not write in {folder}; name another place with -o",
        errno.EROFS: f"{folder} is on a read-only disk; name another place with -o",
        errno.ENOENT: f"make the folder first: mkdir -p '{folder}'",
        errno.ENOTDIR: f"{folder} is not a folder; name another place with -o",
        errno.ENAMETOOLONG: "choose a shorter name",
        errno.EPIPE: "whoever read the output has stopped reading",
    }.get(error.errno or 0, "")
