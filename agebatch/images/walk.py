"""What to look through and what to leave out, decided by names alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate

_CLUTTER = """
    .git .hg .svn .bzr .venv venv node_modules __pycache__ .cache .thumbnails .Trash* lost+found
    @eaDir @Recycle @Recently-Snapshot #recycle #snapshot .snapshot .snapshots .zfs __MACOSX $RECYCLE.BIN
"""
DEFAULT_EXCLUDE_DIRS: tuple[str, ...] = (*_CLUTTER.split(), "System Volume Information")
"""Folders that hold no photographs of their own: version control, wastebaskets, thumbnails, snapshots."""


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


def name_of(path: str) -> str:
    """What follows the last slash."""
    return path.rpartition("/")[2]


def place_of(path: str) -> str:
    """Where a file's own name lives: links in its folder resolved, but not the file's own link."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), name)


class Rules:
    """A `Walk` made ready: patterns compiled once, and which folders were seen."""

    def __init__(
        self, walk: Walk, folders: list[str], files: Iterable[str], on_skip: Callable[[Skipped], None]
    ) -> None:
        self.include = _pattern(walk.include)
        self.exclude = _pattern(walk.exclude)
        self.exclude_dirs = _pattern(walk.exclude_dirs)
        self.hidden = walk.hidden
        self.follow_symlinks = walk.follow_symlinks
        self.on_skip = on_skip
        self.never = {place_of(path) for path in walk.never} | {os.path.realpath(path) for path in walk.never}
        self.never_names = {name_of(path) for path in self.never}
        self.named = {place_of(path) for path in files}  # a folder leaves these to the stream of named files
        self.named_names = {name_of(path) for path in self.named}
        # One folder without followed links can't meet itself, so nothing has to be remembered.
        self.remember = walk.follow_symlinks or len(folders) > 1
        self.seen: set[tuple[int, int]] = set()

    def ours(self, path: str, name: str) -> bool:
        """True for the output and its company."""
        return name in self.never_names and place_of(path) in self.never

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
        """Whether a folder below a root is entered."""
        if name.startswith(".") and not self.hidden:
            return False
        if self.exclude_dirs and self.exclude_dirs(name):
            return False
        if self.exclude and (self.exclude(name) or self.exclude(below)):
            return False
        return not self.ours(path, name)

    def wanted_file(self, path: str, below: str, name: str) -> bool:
        """Whether a file with a picture's suffix is given."""
        if name.startswith(".") and not self.hidden:
            return False
        if self.include and not (self.include(name) or self.include(below)):
            return False
        if self.exclude and (self.exclude(name) or self.exclude(below)):
            return False
        if name in self.named_names and place_of(path) in self.named:
            return False
        return not self.ours(path, name)


def _pattern(globs: tuple[str, ...]) -> Callable[[str], object] | None:
    return re.compile("|".join(translate(glob) for glob in globs)).match if globs else None
