"""`agebatch scan`: folders of photographs → one row per face.

What is known from an earlier run stays; the rest goes through the chain of `agebatch.pipeline`, is kept in a
journal shard by shard, and becomes the report in one step at the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from agebatch import console
from agebatch.errors import InputError, Interrupted, OutputError, StrictError
from agebatch.images.discovery import DEFAULT_EXCLUDE_DIRS, Found, Skipped, Walk, discover
from agebatch.pipeline.account import Account
from agebatch.pipeline.chain import Chain, Finished, Steps, photo_of
from agebatch.pipeline.extras import Extras
from agebatch.pipeline.rows import Photo
from agebatch.pipeline.tools import Tools, real_tools
from agebatch.results.content import checksum_of
from agebatch.results.earlier import Earlier, Plan, Rules
from agebatch.results.files import open_writer, read_keys
from agebatch.results.journal import Journal
from agebatch.results.lock import Lock
from agebatch.results.schema import Row, Status
from agebatch.settings import ScanSettings


def run(
    settings: ScanSettings,
    make_tools: Callable[[ScanSettings], Tools] | None = None,
    write_page: Callable[[str, str], None] | None = None,
) -> None:
    """Scan as `settings` say.

    Args:
        settings: everything that was asked for.
        make_tools: gives the detector, the model and the processes that read; the real ones if left out.
        write_page: makes a page from a report, for `--html`.

    Raises:
        AgebatchError: whatever ends the run; what was finished is kept.
    """
    extras = Extras(settings, write_page)  # refuses folders that would be scanned as photographs next time
    tools = (make_tools or real_tools)(settings)
    account = Account(settings, tools.model)
    try:
        _Scan(settings, tools, account, extras).run()
    except KeyboardInterrupt as interrupt:
        error = Interrupted("interrupted (Ctrl-C)" + account.kept(), account.hint())
        account.close(error)
        raise error from interrupt
    except Interrupted as interrupt:
        interrupt.args = (str(interrupt) + account.kept(),)
        interrupt.hint = interrupt.hint or account.hint()
        account.close(interrupt)
        raise
    except BaseException as error:
        account.close(error)
        raise
    finally:
        extras.close()
    account.close(None)


class _Scan:
    def __init__(self, settings: ScanSettings, tools: Tools, account: Account, extras: Extras) -> None:
        self.settings = settings
        self.tools = tools
        self.account = account
        self.extras = extras
        self.unread = 0  # where nothing was computed and the rows were not counted

    def run(self) -> None:
        if self.settings.dry_run:
            self._show_plan()
        elif self.settings.to_stdout:
            self._to_stdout()
        else:
            with Lock(self.settings.output, wait=self.settings.wait, on_warning=console.warn):
                self._to_report()
        unread = self.unread or self.account.tally.errors
        if self.settings.strict and unread:
            raise StrictError(
                f"{console.count(unread, 'photograph')} could not be read",
                "the report is complete; their rows say why",
            )

    def _to_report(self) -> None:
        settings, account = self.settings, self.account
        journal = Journal(settings.output, on_damage=console.warn)
        earlier = Earlier(settings.output, journal, fresh=settings.fresh)
        plan = earlier.plan(self._found(), self._rules())
        self._require_something(plan)
        account.plan(plan)
        if plan.todo:
            self._compute(plan.todo, len(plan.todo), journal.commit)
        if plan.todo or plan.write:
            with open_writer(settings.output) as report:
                report.write(account.tally.over(earlier.rows()))
            journal.remove()
        elif settings.strict:
            self.unread = _unread(settings.output)
        account.say_end(self.extras.after(settings.output, plan.carried))

    def _to_stdout(self) -> None:
        found = list(self._found())
        if not found:
            raise self._nothing()
        with open_writer("-") as report:
            self._compute(found, len(found), lambda rows: report.write(self.account.tally.over(rows)))
        self.account.say_end(self.extras.after("-", carried=0))

    def _show_plan(self) -> None:
        if not self.settings.output or self.settings.to_stdout:
            plan = Plan(new=0)
            for found in self._found():
                plan.todo.append(found)
                plan.new += 1
        else:
            journal = Journal(self.settings.output, read_only=True)
            plan = Earlier(self.settings.output, journal).plan(self._found(), self._rules())
        self._require_something(plan)
        self.account.plan(plan)
        for found in plan.todo:
            console.data(console.visible(found.path) + "\n")

    def _compute(self, todo: Iterable[Found], total: int, keep: Callable[[list[Row]], None]) -> None:
        """Send `todo` through the chain; whatever ends it, what is finished is kept."""
        settings, account = self.settings, self.account
        shard = _Shard(settings, keep, self.extras)
        with self.tools.readers() as readers, console.progress(total) as progress:
            steps = Steps(
                readers,
                self.tools.detector,
                self.tools.predictor,
                self.tools.model,
                side=settings.largest_preview,
                min_face=settings.min_face or 0.0,
                pre_cropped=settings.pre_cropped,
                keep_chips=bool(settings.save_crops),
                describe=self._describe,
            )
            chain = Chain(todo, steps, most=settings.shard)
            try:
                for finished in chain:
                    shard.add(finished)
                    account.count(len(finished.found))
                    progress.advance(extra=f"{account.faces:,} faces")
                shard.close()
            except OutputError:
                raise  # there is no place to keep anything
            except BaseException:
                shard.close(hurry=True)
                raise
            finally:
                chain.stop()
                account.stored = shard.stored
        chain.join()

    def _describe(self, look: Any) -> Photo:
        photo = photo_of(look)
        if photo.status is not None and not os.path.lexists(photo.path):
            self._require_roots()
            # Not computed from any content: should the file come back, it is looked at again.
            return replace(photo, size=None, mtime_ns=None)
        if self.settings.checksum:
            return replace(photo, checksum=checksum_of(photo.path))
        return photo

    def _require_roots(self) -> None:
        for root in self.settings.paths:
            if not os.path.lexists(root):
                raise InputError(
                    f"{root} vanished during the scan",
                    "is the disk still there? The report is untouched; the same command goes on",
                )

    def _found(self) -> Iterator[Found]:
        settings, skipped = self.settings, self.account.skipped
        walk = Walk(
            paths=settings.paths,
            include=settings.include,
            exclude=settings.exclude,
            exclude_dirs=(*DEFAULT_EXCLUDE_DIRS, *settings.exclude_dirs),
            hidden=settings.hidden,
            follow_symlinks=settings.follow_symlinks,
            files_from=settings.files_from,
            never=self.extras.never(),
            limit=settings.limit,
        )

        def skip(thing: Skipped) -> None:
            skipped[thing.reason] += 1
            console.detail(f"skipped {thing.path}: {thing.reason}", "skipped", path=thing.path)

        return discover(walk, skip)

    def _rules(self) -> Rules:
        settings = self.settings
        return Rules(
            self.tools.model,
            retry_errors=settings.retry_errors,
            prune=settings.prune,
            checksum=settings.checksum and not settings.dry_run,
            roots=[root for root in settings.paths if Path(root).is_dir()],
        )

    def _require_something(self, plan: Plan) -> None:
        if not (plan.todo or plan.carried or plan.vanished):
            raise self._nothing()

    def _nothing(self) -> InputError:
        where = ", ".join([*self.settings.paths, *filter(None, [self.settings.files_from])])
        return InputError(
            f"no photograph found in {where}",
            "check the folder; --hidden and --follow-symlinks look further, --verbose says what is skipped",
        )


class _Shard:
    """Finished photos on their way to the journal, kept together when there are enough of them."""

    def __init__(self, settings: ScanSettings, keep: Callable[[list[Row]], None], extras: Extras) -> None:
        self.stored = 0
        self._settings = settings
        self._keep = keep
        self._extras = extras
        self._photos: list[tuple[list[Row], Future[None] | None]] = []
        self._since = time.monotonic()

    def add(self, finished: Finished) -> None:
        self._photos.append((finished.rows, self._extras.add(finished)))
        waited = time.monotonic() - self._since
        if len(self._photos) >= self._settings.shard or waited >= self._settings.shard_seconds:
            self.close()

    def close(self, *, hurry: bool = False) -> None:
        """Keep what there is; in a hurry without the photos whose further outputs are still being written."""
        photos, self._photos, self._since = self._photos, [], time.monotonic()
        rows: list[Row] = []
        for index, (of_photo, writing) in enumerate(photos):
            if writing is not None:
                if hurry and not (writing.done() and writing.exception() is None):
                    photos = photos[:index]  # in order: what is behind it is computed again
                    break
                writing.result()
            rows += of_photo
        if rows:
            self._keep(rows)
            self.stored += len(photos)


def _unread(output: str) -> int:
    """How many images of a report could not be looked at; each has one row."""
    return sum(Status(str(key.status)).is_error for key in read_keys(output))
