"""Folders and files → a sorted stream of candidate pictures, each once, nothing opened.

A folder's entries are taken in the order of their bytes, so the stream is sorted without holding the
archive in memory; several roots are merged.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

from agebatch.errors import InputError
from agebatch.images.formats import SUFFIXES
from agebatch.images.walk import DEFAULT_EXCLUDE_DIRS, Found, Rules, Skipped, Walk, name_of, place_of

__all__ = ["DEFAULT_EXCLUDE_DIRS", "Found", "Skipped", "Walk", "discover"]

_UNFOLLOWED = "a link to a folder, not followed (see --follow-symlinks)"
_RISKY_STARTS = ("=", "+", "-", "@", "\t", "\r")

_Entry: TypeAlias = "tuple[bytes, bool, os.DirEntry[str] | None]"
_END: _Entry = (b"", False, None)


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
    between = b"\0" if b"\0" in data else b"\n"
    lines = (line if between == b"\0" else line.removesuffix(b"\r") for line in data.split(between))
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
    rules = Rules(walk, folders, files, on_skip)
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
    """Sorted, and each file under one name only: the shortest."""
    by_place: dict[str, str] = {}
    for path in sorted(set(files), key=lambda path: (len(path), os.fsencode(path))):
        by_place.setdefault(place_of(path), path)
    return sorted(by_place.values(), key=os.fsencode)


def _files(files: list[str], rules: Rules) -> Iterator[Found]:
    """Files named one by one. One that is gone is still found, so that the report can say so."""
    for path in files:
        if rules.ours(path, name_of(path)):
            rules.on_skip(Skipped(path, "it belongs to the output"))
            continue
        try:
            found = _found(path, os.stat(path), rules)
        except (OSError, ValueError):
            found = _unreachable(path)
        if found is not None:
            yield found


def _folder(root: str, rules: Rules) -> Iterator[Found]:
    """Depth first with a stack of our own: nesting is limited by the file system, not by Python."""
    top = root if root.endswith("/") else f"{root}/"
    stack = [_entries(root, rules)]
    while stack:
        _, is_folder, entry = next(stack[-1], _END)
        if entry is None:
            stack.pop()
            continue
        path, name = entry.path, entry.name
        below = path[len(top) :]
        if is_folder:
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
        elif entry.is_symlink() and rules.wanted_folder(path, below, name) and _is_folder(path):
            rules.on_skip(Skipped(path, _UNFOLLOWED))


def _entries(folder: str, rules: Rules) -> Iterator[_Entry]:
    """Entries in the order that makes whole paths sorted: a folder counts with the slash after its name."""
    entries: list[_Entry] = []
    try:
        if rules.first_time(folder):
            with os.scandir(folder) as listing:
                for entry in listing:
                    is_folder = _is_walkable(entry, rules)
                    key = os.fsencode(f"{entry.name}/" if is_folder else entry.name)
                    entries.append((key, is_folder, entry))
    except OSError as error:  # what was listed until then still counts
        rules.on_skip(Skipped(folder, f"the folder can't be listed: {error.strerror}"))
    entries.sort(key=itemgetter(0))
    return iter(entries)


def _is_walkable(entry: os.DirEntry[str], rules: Rules) -> bool:
    try:
        return entry.is_dir(follow_symlinks=rules.follow_symlinks)
    except OSError:
        return False


def _is_candidate(name: str) -> bool:
    dot = name.rfind(".")
    return dot >= 0 and name[dot:].lower() in SUFFIXES


def _found(path: str, status: os.stat_result, rules: Rules) -> Found | None:
    """A regular file is found; anything else that looked like a picture is skipped, and never opened."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return Found(path, status.st_size, status.st_mtime_ns)
    kinds = ((stat.S_ISDIR, _UNFOLLOWED), (stat.S_ISFIFO, "a named pipe, not a picture"))
    reason = next((text for is_kind, text in kinds if is_kind(mode)), "a socket or device, not a picture")
    rules.on_skip(Skipped(path, reason))
    return None


def _unreachable(path: str) -> Found:
    """A broken link, or a file that went away: a row that says so comes from reading it."""
    try:
        return Found(path, 0, os.lstat(path).st_mtime_ns)
    except (OSError, ValueError):
        return Found(path, 0, 0)
