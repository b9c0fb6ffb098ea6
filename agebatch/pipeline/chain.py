"""The stages of a scan, running at the same time and handing on in order.

    thread "looks"    thread "faces"           thread "ages"         main thread
    children read ──► detect, ask for chips ─► predict in batches ─► rows in order

Each hand-over is bounded, so memory doesn't grow with the archive. The main thread never blocks inside
TensorFlow: it can be interrupted at any time, and can save what is finished while a slow photo is waited for.
An error in a thread ends the run in the main thread with that same error.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import numpy as np

from agebatch.pipeline.rows import NOBODY, Answer, Located, Photo, at_least, in_original, rows_of, whole
from agebatch.results.schema import Row

PREVIEWS = 16  # that the detector sees together
LOOKS_AHEAD_BYTES = 128 << 20  # previews waiting for the detector, at most two batches of them
FLUSH_SECONDS = 20.0  # a face waits at most about this long for others to fill its batch
CHIPS_AHEAD = 256  # waiting for the predictor
POLL = 0.2  # seconds between looks at whether the run shall stop


class Predictor(Protocol):
    """Chips uint8 (S, S, 3) in, an answer for each out, in order."""

    chip: int
    batch_size: int

    def predict(self, chips: Iterable[np.ndarray]) -> Iterator[Answer]:
        """Answer each chip in order."""


@dataclass
class Steps:
    """What a chain is made of; tests bring fakes.

    `readers` has `look(found)` and `cut(look, points, chip)`. `detector` and `predictor` are called once,
    each in its own thread, so that loading TensorFlow and reading the first photos overlap.
    """

    readers: Any
    detector: Callable[[], Any]
    predictor: Callable[[], Predictor]
    model: str
    side: int = 1280  # of the previews, at most
    min_face: float = 0.0  # original pixels; smaller faces are dropped
    pre_cropped: bool = False
    keep_chips: bool = False
    describe: Callable[[Any], Photo] | None = None  # of a look; None: `photo_of`


@dataclass
class Finished:
    """One photo, done: its rows, and its chips where they were asked for."""

    rows: list[Row]
    found: Located
    chips: list[np.ndarray] = field(default_factory=list)


@dataclass(eq=False)
class _Waiting:
    """One photo between detection and its last answer."""

    photo: Photo
    found: Located
    handle: Any = None
    chips: list[np.ndarray] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    is_cut: bool = False

    def is_done(self) -> bool:
        return self.is_cut and len(self.answers) == len(self.found)


def photo_of(look: Any) -> Photo:
    """Describe a look in the words of the report."""
    found = look.found
    return Photo(
        found.path, found.size, found.mtime_ns, look.status, look.message or "", look.width, look.height
    )


class Chain:
    """Photos on their way to rows. Iterate over it once; `close` stops its threads.

    Args:
        todo: the files in order (`Found`).
        steps: the stages.
        most: photos that may be under way; beyond twice as many, half-full batches are sent on.
    """

    def __init__(self, todo: Iterable[Any], steps: Steps, most: int = 256) -> None:
        self._todo = todo
        self._steps = steps
        # The photos of two detections are always under way: waiting for fewer would be waiting for ourselves.
        self._most = max(most, 4 * PREVIEWS)
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._owners: deque[_Waiting | None] = deque()  # whose chip each is; None: only there to fill a batch
        self._looks: queue.Queue[Any] = queue.Queue(_looks_ahead(steps.side))
        self._chips: queue.Queue[np.ndarray | None] = queue.Queue(CHIPS_AHEAD)
        self._predictor: Predictor | None = None
        self._ready = threading.Event()  # the predictor is loaded
        self._failure: BaseException | None = None
        self._stopped = threading.Event()
        self._all_looked_at = False
        self._sent = 0  # chips, fillers among them
        self._oldest_unsent: float | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(stage,), name=name, daemon=True)
            for name, stage in (
                ("looks", self._look),
                ("faces", self._find_faces),
                ("ages", self._tell_ages),
            )
        ]

    def __iter__(self) -> Iterator[Finished]:
        """Give every photo once it and all before it are done.

        Raises: whatever a stage raised.
        """
        for thread in self._threads:
            thread.start()
        while True:
            with self._changed:
                while not (self._waiting and self._waiting[0].is_done()):
                    if self._failure is not None:
                        raise self._failure
                    if self._all_looked_at and not self._waiting:
                        return
                    self._changed.wait(POLL)
                done = self._waiting.popleft()
                self._changed.notify_all()
            rows = rows_of(done.photo, done.found, done.answers, self._steps.model)
            yield Finished(rows, done.found, done.chips)

    def stop(self) -> None:
        """Tell the threads to end; to be called before the readers are closed."""
        self._stopped.set()
        self._ready.set()

    def join(self, patience: float = 2.0) -> None:
        """Wait for the threads for a moment; one inside TensorFlow may not end."""
        deadline = time.monotonic() + patience
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException as error:
            if self._stopped.is_set():  # the end of the run, or what follows from it: readers are closed
                return
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()
            self._stopped.set()

    # --- thread "looks" ---

    def _look(self) -> None:
        for look in self._steps.readers.look(self._todo):
            self._hand_on(self._looks, look)
        self._hand_on(self._looks, None)

    def _hand_on(self, to: queue.Queue[Any], thing: Any) -> None:
        while True:
            self._check()
            try:
                return to.put(thing, timeout=POLL)
            except queue.Full:
                continue

    def _looked_at(self) -> Iterator[Any]:
        while True:
            self._check()
            try:
                look = self._looks.get(timeout=POLL)
            except queue.Empty:
                continue
            if look is None:
                return
            yield look

    # --- thread "faces" ---

    def _find_faces(self) -> None:
        looks = self._looked_at()
        detector = None if self._steps.pre_cropped else self._steps.detector()
        before: list[_Waiting] = []
        while batch := list(islice(looks, PREVIEWS)):
            self._check()
            now = self._detect(batch, detector)
            # The chips of the batch before were being cut while this one was in the detector.
            self._send(before)
            before = now
            self._keep_moving()
        self._send(before)
        self._put(None)
        with self._changed:
            self._all_looked_at = True
            self._changed.notify_all()

    def _detect(self, looks: Sequence[Any], detector: Any) -> list[_Waiting]:
        seen = [look for look in looks if look.preview is not None and look.status is None]
        located = self._locate(seen, detector)
        describe = self._steps.describe or photo_of
        waiting = []
        for look in looks:
            found = located.get(id(look), NOBODY)
            item = _Waiting(describe(look), found)
            if len(found) and self._steps.pre_cropped:
                item.chips = [np.array(look.preview)]
            elif len(found):
                item.handle = self._steps.readers.cut(look, found.points.astype(np.float32), self._chip())
            else:
                item.is_cut = True
            waiting.append(item)
        with self._changed:
            self._waiting.extend(waiting)
            self._changed.notify_all()
        return waiting

    def _locate(self, seen: Sequence[Any], detector: Any) -> dict[int, Located]:
        if self._steps.pre_cropped:
            return {id(look): whole(look.width, look.height) for look in seen}
        located = {}
        answers = detector.detect([look.preview for look in seen]) if seen else []
        for look, faces in zip(seen, answers, strict=True):
            height, width = look.preview.shape[:2]
            found = Located(faces.boxes, faces.scores, faces.points, faces.capped)
            found = in_original(found, (width, height), (look.width, look.height))
            located[id(look)] = at_least(found, self._steps.min_face)
        return located

    def _send(self, waiting: Sequence[_Waiting]) -> None:
        for item in waiting:
            if item.is_cut:
                continue
            if item.handle is not None:
                chips = item.handle.result()
                if isinstance(chips, np.ndarray):
                    item.chips = list(chips)
                else:  # the file was lost or damaged between the look and the cut
                    self._give_up(item, chips)
                    continue
            for chip in item.chips:
                self._owners.append(item)
                self._put(chip)
            if not self._steps.keep_chips:
                item.chips = []
            with self._changed:
                item.handle, item.is_cut = None, True
                self._changed.notify_all()

    def _give_up(self, item: _Waiting, unread: Any) -> None:
        lost = Photo(
            item.photo.path, item.photo.size, item.photo.mtime_ns, unread.status, unread.message,
            item.photo.width, item.photo.height, item.photo.checksum,
        )  # fmt: skip
        with self._changed:
            item.photo, item.found, item.handle, item.is_cut = lost, NOBODY, None, True
            self._changed.notify_all()

    def _keep_moving(self) -> None:
        """Where faces are rare, fill up a batch that would wait long; where the main thread lags, wait."""
        while True:
            with self._changed:
                under_way = len(self._waiting)
                is_late = self._oldest_unsent is not None and (
                    time.monotonic() - self._oldest_unsent > FLUSH_SECONDS or under_way > self._most
                )
            if is_late:
                self._fill_up()
            if under_way <= 2 * self._most:
                return
            with self._changed:
                self._changed.wait(1.0)
                stuck = len(self._waiting) >= under_way
            self._check()
            if stuck and not self._chips.qsize():
                self._fill_up(whole_batch=True)  # a predictor that holds one batch back

    def _fill_up(self, *, whole_batch: bool = False) -> None:
        size = self._loaded().batch_size
        missing = -self._sent % size or (size if whole_batch else 0)
        for _ in range(missing):
            self._owners.append(None)
            self._put(np.zeros((self._chip(), self._chip(), 3), np.uint8))

    def _put(self, chip: np.ndarray | None) -> None:
        if chip is not None:
            self._sent += 1
            if self._sent % self._loaded().batch_size == 0:
                self._oldest_unsent = None
            elif self._oldest_unsent is None:
                self._oldest_unsent = time.monotonic()
        self._hand_on(self._chips, chip)

    def _loaded(self) -> Predictor:
        while not self._ready.wait(POLL):
            self._check()
        self._check()
        assert self._predictor is not None
        return self._predictor

    def _chip(self) -> int:
        return self._loaded().chip

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stop

    # --- thread "ages" ---

    def _tell_ages(self) -> None:
        self._predictor = self._steps.predictor()
        self._ready.set()
        for answer in self._predictor.predict(self._queued()):
            owner = self._owners.popleft()
            if owner is None:
                continue
            with self._changed:
                owner.answers.append(answer)
                if owner.is_done():
                    self._changed.notify_all()

    def _queued(self) -> Iterator[np.ndarray]:
        """The chips for the predictor. Ends when all are sent or the run stops; never raises."""
        while not self._stopped.is_set():
            try:
                chip = self._chips.get(timeout=POLL)
            except queue.Empty:
                continue
            if chip is None:
                return
            yield chip


def _looks_ahead(side: int) -> int:
    return max(2, min(2 * PREVIEWS, LOOKS_AHEAD_BYTES // (3 * side * side)))


class _Stop(Exception):
    """The run is over; a thread leaves."""
