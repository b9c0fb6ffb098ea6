"""Folders and files → a sorted stream of candidate pictures, each once, nothing opened.

A folder's entries are taken in the order of their bytes, so the stream is sorted without holding the
archive in memory; several roots are merged.
"""

from __future__ import annotations

import errno
import heapq
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice
from pathlib import Path

from agebatch.errors import InputError
from agebatch.images.formats import SUFFIXES

_CLUTTER = """
    .git .hg .svn .bzr .venv venv node_modules __pycache__ .cache .thumbnails .Trash* lost+found
    @eaDir @Recycle @Recently-Snapshot #recycle #snapshot .snapshot .snapshots .zfs __MACOSX $RECYCLE.BIN
"""
DEFAULT_EXCLUDE_DIRS: tuple[str, ...] = (*_CLUTTER.split(), "System Volume Information")
"""Folders that hold no photographs of their own: version control, wastebaskets, thumbnails, snapshots."""

_RISKY_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate file.

    `path` is the root as given joined with the path below it; undecodable bytes are surrogate escapes, and
    one that would begin like a spreadsheet formula begins with `./` instead. A broken link has size 0.
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something a person might have expected to be read, and why it isn't."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What to look through.

    Globs are `fnmatch` patterns (`*` also matches `/`), matched against the path below the root and against
    the bare name; `exclude` also keeps whole folders out. Files named in `paths` or `files_from` are always
    candidates, whatever their suffix or the globs say.
    """

    paths: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_dirs: tuple[str, ...] = DEFAULT_EXCLUDE_DIRS
    hidden: bool = False
    follow_symlinks: bool = False
    files_from: str | None = None
    """A file with one path a line, or NUL-separated where it holds a NUL; `-` is stdin."""
    never: frozenset[str] = frozenset()
    """Files and folders of our own (the report, its journal, crops), never scanned."""
    limit: int | None = None


def discover(walk: Walk, on_skip: Callable[[Skipped], None] = lambda skipped: None) -> Iterator[Found]:
    """Give every candidate once, sorted by the bytes of its path.

    Raises:
        InputError: a path in `paths` is missing or its folder can't be listed, or `files_from` can't be read.
            Raised here, before the first file is given.
    """
    roots = [_as_given(os.fspath(path)) for path in walk.paths]
    for root in roots:
        _require(root)
    listed = _listed(walk.files_from)
    return islice(_merged(walk, roots, listed, on_skip), walk.limit)


def _require(root: str) -> None:
    try:
        if stat.S_ISDIR(os.stat(root).st_mode):
            os.scandir(root).close()
    except OSError as error:
        if error.errno == errno.ENOENT and Path(root).is_symlink():
            return  # a broken link is a row of its own
        shown = ascii(root)[1:-1] if not root.isprintable() else root
        hint = "Check the spelling, and that the disk or network folder is mounted."
        raise InputError(f"Can't look through {shown}: {error.strerror}", hint) from None
    except ValueError:
        raise InputError("A path holds a NUL character") from None


def _listed(source: str | None) -> list[str]:
    """The paths of a --files-from list."""
    if source is None:
        return []
    try:
        if source == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(source, "rb") as file:  # noqa: PTH123 - a name that isn't UTF-8 stays itself
                data = file.read()
    except OSError as error:
        raise InputError(f"Can't read the list of files {source}: {error.strerror}") from None
    if b"\0" in data:
        lines = data.split(b"\0")
    else:
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [_as_given(os.fsdecode(line)) for line in lines if line]


def _as_given(path: str) -> str:
    """A root as the report shows it: no slash at its end, and no formula for a spreadsheet."""
    path = path.rstrip("/") or ("/" if path else path)
    return f"./{path}" if path.startswith(_RISKY_STARTS) else path


def _merged(
    walk: Walk, roots: list[str], listed: list[str], on_skip: Callable[[Skipped], None]
) -> Iterator[Found]:
    folders: list[str] = []
    files: list[str] = []
    for path in [*roots, *listed]:
        (folders if _is_folder(path) else files).append(path)
    files = _once(files)
    rules = _Rules(walk, folders, files, on_skip)
    streams = [_files(files, rules)] if files else []
    streams += [_folder(folder, rules) for folder in sorted(set(folders), key=os.fsencode)]
    if len(streams) == 1:
        return streams[0]
    return heapq.merge(*streams, key=lambda found: os.fsencode(found.path))


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _once(files: list[str]) -> list[str]:
    """Sorted, and each file under one name only: the first."""
    by_place: dict[str, str] = {}
    for path in sorted(set(files), key=os.fsencode):
        by_place.setdefault(_place(path), path)
    return list(by_place.values())


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _place(path: str) -> str:
    """Where a file's own name lives: links in its folder resolved, but not the file's own link."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), name)


class _Rules:
    """What is wanted, compiled once, and what has been seen."""

    def __init__(
        self, walk: Walk, folders: list[str], files: Iterable[str], on_skip: Callable[[Skipped], None]
    ) -> None:
        self.include = _pattern(walk.include)
        self.exclude = _pattern(walk.exclude)
        self.exclude_dirs = _pattern(walk.exclude_dirs)
        self.hidden = walk.hidden
        self.follow_symlinks = walk.follow_symlinks
        self.on_skip = on_skip
        self.never = {_place(path) for path in walk.never} | {os.path.realpath(path) for path in walk.never}
        self.never_names = {_name(path) for path in self.never}
        self.named = {_place(path) for path in files}  # a folder leaves these to the stream of named files
        self.named_names = {_name(path) for path in self.named}
        # One folder without followed links can't meet itself, so nothing has to be remembered.
        self.remember = walk.follow_symlinks or len(folders) > 1
        self.seen: set[tuple[int, int]] = set()

    def ours(self, path: str, name: str) -> bool:
        """True for the output and its company."""
        return name in self.never_names and _place(path) in self.never

    def first_time(self, folder: str) -> bool:
        """False for a folder that was, or is being, walked under another path: overlaps and link loops."""
        if not self.remember:
            return True
        status = os.stat(folder)
        key = (status.st_dev, status.st_ino)
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def wanted_folder(self, path: str, below: str, name: str) -> bool:
        if name.startswith(".") and not self.hidden:
            return False
        if self.exclude_dirs and self.exclude_dirs(name):
            return False
        if self.exclude and (self.exclude(name) or self.exclude(below)):
            return False
        return not self.ours(path, name)

    def wanted_file(self, path: str, below: str, name: str) -> bool:
        if name.startswith(".") and not self.hidden:
            return False
        if self.include and not (self.include(name) or self.include(below)):
            return False
        if self.exclude and (self.exclude(name) or self.exclude(below)):
            return False
        if name in self.named_names and _place(path) in self.named:
            return False
        return not self.ours(path, name)


def _pattern(globs: tuple[str, ...]) -> Callable[[str], object] | None:
    return re.compile("|".join(translate(glob) for glob in globs)).match if globs else None


def _files(files: list[str], rules: _Rules) -> Iterator[Found]:
    """Files named one by one. One that is gone is still found, so that the report can say so."""
    for path in files:
        if rules.ours(path, _name(path)):
            rules.on_skip(Skipped(path, "it belongs to the output"))
            continue
        try:
            found = _found(path, os.stat(path), rules)
        except (OSError, ValueError):
            found = _unreachable(path)
        if found is not None:
            yield found


def _folder(root: str, rules: _Rules) -> Iterator[Found]:
    """Depth first with a stack of our own: nesting is limited by the file system, not by Python."""
    top = root if root.endswith("/") else f"{root}/"
    stack = [_entries(root, rules)]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        path, name = entry.path, entry.name
        below = path[len(top) :]
        if _is_walkable(entry, rules):
            if rules.wanted_folder(path, below, name):
                if _is_candidate(name):
                    rules.on_skip(Skipped(path, "a folder, looked through as one, not a picture"))
                stack.append(_entries(path, rules))
        elif _is_candidate(name) and rules.wanted_file(path, below, name):
            try:
                found = _found(path, entry.stat(), rules)
            except OSError:
                found = _unreachable(path)
            if found is not None:
                yield found


def _entries(folder: str, rules: _Rules) -> Iterator[os.DirEntry[str]]:
    """Entries in the order that makes whole paths sorted: a folder counts with the slash after its name."""
    try:
        if not rules.first_time(folder):
            return iter(())
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: _order(entry, rules)))
    except OSError as error:
        rules.on_skip(Skipped(folder, f"the folder can't be listed: {error.strerror}"))
        return iter(())


def _order(entry: os.DirEntry[str], rules: _Rules) -> bytes:
    return os.fsencode(entry.name + "/" if _is_walkable(entry, rules) else entry.name)


def _is_walkable(entry: os.DirEntry[str], rules: _Rules) -> bool:
    try:
        return entry.is_dir(follow_symlinks=rules.follow_symlinks)
    except OSError:
        return False


def _is_candidate(name: str) -> bool:
    dot = name.rfind(".")
    return dot >= 0 and name[dot:].lower() in SUFFIXES


def _found(path: str, status: os.stat_result, rules: _Rules) -> Found | None:
    """A regular file is found; anything else that looked like a picture is skipped, and never opened."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return Found(path, status.st_size, status.st_mtime_ns)
    kinds = ((stat.S_ISDIR, "a link to a folder (see --follow-symlinks)"), (stat.S_ISFIFO, "a named pipe"))
    reason = next((text for is_kind, text in kinds if is_kind(mode)), "a socket or device")
    rules.on_skip(Skipped(path, f"{reason}, not a picture"))
    return None


def _unreachable(path: str) -> Found:
    """A broken link, or a file that went away: a row that says so comes from reading it."""
    try:
        return Found(path, 0, os.lstat(path).st_mtime_ns)
    except (OSError, ValueError):
        return Found(path, 0, 0)
