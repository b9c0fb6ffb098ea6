"""What an earlier run already found out: which images are computed, and how old and new become one report.

Both sides are sorted by path, the files of this walk and the earlier report, so that they are compared as two
streams, in memory that hardly grows with the archive. An image's rows are carried over, as they are, when its
path, size, modification time and `model` are the same; rows of files that have vanished stay where they were.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from agebatch.errors import OutputError
from agebatch.results.atomic import check_replaceable, real_output
from agebatch.results.content import checksum_of
from agebatch.results.files import extra_columns, read_keys, read_rows
from agebatch.results.journal import Image, Journal, group_images, merge_images
from agebatch.results.layout import Key
from agebatch.results.names import path_key
from agebatch.results.roots import EmptyRoots
from agebatch.results.schema import Row, Status
from agebatch.results.todo import Seen, Todo

_ERRORS = frozenset(status.value for status in Status if status.is_error)
_REFRESH_ROWS = 2000  # rewritten rows kept in memory before they become a part of the journal


@dataclass(frozen=True)
class Rules:
    """When a row of an earlier run may stand.

    Attributes:
        model: the fingerprint of model and settings, as rows carry it.
        retry_errors: images that could not be read are tried again.
        prune: rows of vanished files below `roots` are dropped.
        checksum: content decides instead of the modification time.
        roots: the folders of this walk as given; one that had rows and yields no file at all stops the run.
        unlisted: folders that can't be listed just now; may be filled while the walk goes on. Rows below them
            are never pruned.
    """

    model: str
    retry_errors: bool = False
    prune: bool = False
    checksum: bool = False
    roots: Sequence[str] = ()
    unlisted: Sequence[str] = ()


@dataclass
class Plan:
    """What there is to do; counts are images.

    Attributes:
        todo: the files to compute, in the order of the walk.
        carried: rows stand as they are. `refreshed` of them get a new checksum or modification time.
        new, changed, other_model, retried: why the files in `todo` are there.
        vanished: in the earlier report and not in this walk. `pruned` of them are dropped.
        write: False when the report on the disk is already what this run would write.
    """

    todo: Todo = field(default_factory=Todo)
    carried: int = 0
    refreshed: int = 0
    new: int = 0
    changed: int = 0
    other_model: int = 0
    retried: int = 0
    vanished: int = 0
    pruned: int = 0
    write: bool = True


class _Known(NamedTuple):
    key: Key
    rows: list[Row] | None = None  # only where they may have to be written again


class Earlier:
    """The earlier report and the journal of an unfinished run, taken together.

    Args:
        output: the report; it need not exist.
        journal: its journal. With `fresh` it is removed.
        fresh: nothing is carried over.

    Raises:
        OutputError: the file isn't a report of agebatch, holds columns that would be lost, or can't be
            replaced.
    """

    def __init__(self, output: str | Path, journal: Journal, *, fresh: bool = False) -> None:
        self._report = real_output(output)
        check_replaceable(self._report)  # before hours of work, and before a named pipe is opened
        self._journal = journal
        self._is_sorted = True
        self._pruned: set[str] = set()
        self._model: str | None = None
        self._has_report = self._report.exists()
        if self._has_report:
            foreign = extra_columns(self._report)  # also says when the file isn't ours, --fresh or not
            if foreign and not fresh:
                raise OutputError(
                    f"{output} has columns that agebatch would drop: {', '.join(foreign[:5])}",
                    "name another output, or start over with --fresh",
                )
        if fresh:
            journal.remove()
            self._has_report = False

    def plan(self, found: Iterable[Seen], rules: Rules) -> Plan:
        """Decide for every file of this walk whether it is computed.

        Args:
            found: things with `path`, `size` and `mtime_ns`, sorted by path, each path once.
            rules: when an earlier row may stand.

        Raises:
            InputError: a folder that had rows yields no file at all; nothing was written.
        """
        self._model = rules.model
        judge = _Judge(rules, self._journal)
        plan = judge.plan
        empty_roots = EmptyRoots(rules.roots)
        strays: dict[str, _Known] = {}  # rows that stand out of order, as a user may have sorted them
        before: str | None = None

        def left_behind(known: _Known) -> None:
            """An earlier image that the walk has passed: vanished, unless it only stands at a wrong place."""
            path = known.key.path
            if before is not None and path_key(path) <= path_key(before):
                strays[path] = known
            else:
                self._vanish(path, rules, plan, empty_roots)

        earlier = self._known(with_rows=rules.checksum)
        known = next(earlier, None)
        for item in found:
            path = item.path
            if empty_roots:
                empty_roots.see(path)
            while known is not None and known.key.path != path:
                if path_key(known.key.path) > path_key(path):
                    break
                left_behind(known)
                known = next(earlier, None)
            else:
                if known is not None:
                    judge.known(item, known)
                    known = next(earlier, None)
                    before = path
                    continue
            judge.new(item)
            before = path
        for rest in chain([] if known is None else [known], earlier):
            left_behind(rest)
        if strays:
            self._is_sorted = False
            judge.again(strays)
            for path in strays:
                self._vanish(path, rules, plan, empty_roots)
        empty_roots.check()
        self._spare(rules.unlisted)
        plan.pruned = len(self._pruned)
        judge.finish()
        plan.write = bool(
            plan.todo or self._journal or plan.pruned or not self._is_sorted or not self._has_report
        )
        return plan

    def rows(self) -> Iterator[Row]:
        """Every row of the final report in order, from the earlier report and the journal, streamed.

        To be called when everything in `Plan.todo` is in the journal.
        """
        for image in self._images():
            if not self._pruned or image.rows[0]["path"] not in self._pruned:
                yield from image.rows

    def _vanish(self, path: str, rules: Rules, plan: Plan, empty_roots: EmptyRoots) -> None:
        plan.vanished += 1
        below = empty_roots.had(path)
        if rules.prune and below:
            self._pruned.add(path)

    def _spare(self, unlisted: Sequence[str]) -> None:
        below = tuple(folder.rstrip("/") + "/" for folder in unlisted)
        if below and self._pruned:
            self._pruned = {path for path in self._pruned if not path.startswith(below)}

    def _images(self) -> Iterator[Image]:
        if not self._has_report:
            return self._journal.images(self._model)
        rows: Iterable[Row] = read_rows(self._report)
        if not self._is_sorted:
            rows = sorted(rows, key=lambda row: path_key(row["path"]))
        if not self._journal:
            return group_images(rows)
        return merge_images(group_images(rows, model=self._model), self._journal.images(self._model))

    def _known(self, *, with_rows: bool) -> Iterator[_Known]:
        """Every earlier image, in the order of the earlier report."""
        if with_rows:
            return (_Known(_key_of(image.rows), image.rows) for image in self._images())
        report = _by_image(read_keys(self._report)) if self._has_report else iter(())
        if not self._journal:
            return report
        journal = (_Known(_key_of(image.rows), None) for image in self._journal.images(self._model))
        return _merged(report, journal, self._model)


class _Judge:
    """Sorts files into those whose rows stand and those to compute, and keeps the count."""

    def __init__(self, rules: Rules, journal: Journal) -> None:
        self.rules = rules
        self.plan = Plan()
        self._journal = journal
        self._refreshed: list[Row] = []

    def new(self, item: Seen) -> None:
        """Nothing is known of the file."""
        self.plan.new += 1
        self.plan.todo.append(item)

    def known(self, item: Seen, known: _Known) -> bool:
        """Something is known; True when it stands."""
        key, plan = known.key, self.plan
        if key.model != self.rules.model:
            plan.other_model += 1
        elif self.rules.retry_errors and key.status in _ERRORS:
            plan.retried += 1
        elif self._is_same(item, known):
            plan.carried += 1
            return True
        else:
            plan.changed += 1
        plan.todo.append(item)
        return False

    def again(self, strays: dict[str, _Known]) -> None:
        """Judge again what seemed new, and take what is known of it out of `strays`."""
        todo, self.plan.todo = self.plan.todo, Todo()
        for item in todo:
            known = strays.pop(item.path, None)
            if known is None:
                self.plan.todo.append(item)
            else:
                self.plan.new -= 1
                self.known(item, known)

    def finish(self) -> None:
        """Keep the rows that were brought up to date."""
        self._journal.commit(self._refreshed)
        self._refreshed = []

    def _is_same(self, item: Seen, known: _Known) -> bool:
        key = known.key
        same_time = key.file_mtime_ns == item.mtime_ns
        if key.file_size != item.size:
            return False
        if not self.rules.checksum:
            return same_time
        if key.checksum is None and not same_time:
            return False
        checksum = checksum_of(item.path)
        if checksum != key.checksum and (key.checksum is not None or not same_time):
            return False
        if not same_time or checksum != key.checksum:
            self._refresh(known.rows or [], checksum, item.mtime_ns)
        return True

    def _refresh(self, rows: list[Row], checksum: str | None, mtime_ns: int) -> None:
        self.plan.refreshed += 1
        self._refreshed += [{**row, "checksum": checksum, "file_mtime_ns": mtime_ns} for row in rows]
        if len(self._refreshed) >= _REFRESH_ROWS:
            self.finish()


def _by_image(keys: Iterator[Key]) -> Iterator[_Known]:
    """One entry per image; one that lacks faces, as after a cut by hand, is made to look changed."""
    key = next(keys, None)
    while key is not None:
        wanted = key.faces or 1
        if wanted == 1:
            following = next(keys, None)
            if following is None or following.path != key.path:
                yield _Known(key, None)
                key = following
                continue
            count = 1
        else:
            following, count = next(keys, None), 1
        while following is not None and following.path == key.path:
            count += 1
            following = next(keys, None)
        yield _Known(key if count == wanted else key._replace(file_size=None), None)
        key = following


def _key_of(rows: list[Row]) -> Key:
    key = Key(**{name: rows[0][name] for name in Key._fields})  # type: ignore[arg-type]
    return key if len(rows) == (key.faces or 1) else key._replace(file_size=None)


def _merged(report: Iterator[_Known], journal: Iterator[_Known], model: str | None) -> Iterator[_Known]:
    """As `merge_images`: the journal's entry, unless only the report's was computed with this model."""
    last: str | None = None
    order = lambda known: (path_key(known.key.path), known.key.model != model)  # noqa: E731
    for known in heapq.merge(journal, report, key=order):  # of equals, the first stream's comes first
        if known.key.path != last:
            yield known
        last = known.key.path
