"""Photos read ahead and chips cut in other processes, so that a crash or a hang costs one photo.

Each child has a thread here that feeds it and waits for it. Two requests are under way per child, so that it
seldom waits for Python's lock; they are answered in order, so when a child dies the first unanswered one is
to blame, and the other is asked again. Previews come back through shared memory, all else through a socket.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

import numpy as np

from agebatch.errors import AgebatchError
from agebatch.images.discovery import Found
from agebatch.images.reading import Unread
from agebatch.results.schema import Status
from agebatch.workers.link import ChildLost, Link
from agebatch.workers.messages import CutRequest, LookReply, LookRequest

_UNDER_WAY = 2  # requests per child
_AHEAD = 3  # photos per child that `look` asks for before they are consumed
_AHEAD_BYTES = 256 << 20
_START_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one photo looks like, or why it could not be read.

    `status` is None where it was read; `message` may still say that it was read only in part. `width` and
    `height` are the upright original's. `preview` is uint8 (h, w, 3) upright, its longer side as `Readers` says.
    """

    found: Found
    status: Status | None
    message: str
    width: int | None
    height: int | None
    preview: np.ndarray | None = field(repr=False, default=None)
    reader: int = field(repr=False, default=-1)


class Readers:
    """Reads photos ahead in `processes` children: `look` gives previews in order, `cut` gives chips.

    Args:
        processes: how many children.
        side: longer side of the previews in pixels, at least (where the photo has it) and below twice that; with
            `wanted_side`, at most.
        max_megapixels: above it a photo is `too_large`.
        timeout: seconds that a child may spend on one photo.
        pre_cropped: give each whole picture as a chip of this side in pixels instead of a preview.
        wanted_side: from a photo's upright width and height to the longer side of its preview; picklable.
        decoder: stands in for `images.reading.decode`; a module-level function. For tests.

    Both methods may be used from different threads. Use it as a context manager: leaving ends the children.
    """

    def __init__(
        self,
        processes: int,
        side: int,
        max_megapixels: float = 200,
        timeout: float = 60,
        *,
        pre_cropped: int | None = None,
        decoder: Callable | None = None,
        wanted_side: Callable[[int, int], int] | None = None,
    ) -> None:
        setup = (side, max_megapixels, timeout, pre_cropped, decoder, wanted_side)
        self._work = _Work()
        largest = pre_cropped or (side if wanted_side else 2 * side)
        self._slot_bytes = largest * largest * 3
        self._lanes = [
            _Lane(self._work, n, self._slot_bytes, timeout, setup) for n in range(max(processes, 1))
        ]

    def __enter__(self) -> Readers:
        for lane in self._lanes:
            lane.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the children at once; what they were doing is cancelled."""
        self._work.stop(CancelledError("the readers were closed"))
        for lane in self._lanes:
            lane.link.kill()
        for lane in self._lanes:
            if lane.thread.ident is not None:
                lane.thread.join(timeout=10)

    def look(self, found: Iterable[Found]) -> Iterator[Look]:
        """Read photos ahead and give them in the order they came in.

        Raises:
            AgebatchError: the children can't be started at all.
        """
        ahead = min(_AHEAD * len(self._lanes), _AHEAD_BYTES // self._slot_bytes)
        window: deque[Future[Look]] = deque()
        try:
            for one in found:
                window.append(self._work.submit(_Job(one)))
                while len(window) > max(ahead, 2):
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for future in window:
                future.cancel()

    def cut(self, look: Look, points: np.ndarray, chip: int) -> Future[np.ndarray | Unread]:
        """Cut faces from a photo that `look` gave, from the best pixels there are.

        Args:
            look: the photo.
            points: float (K, 5, 2) x, y in upright pixels of the original.
            chip: side of a chip in pixels.

        Returns: a future of uint8 (K, chip, chip, 3), or of the reason why the photo can't be read again.
        """
        if look.width is None or look.height is None:
            raise ValueError(f"nothing can be cut from a photo that was not read: {look.message}")
        points = np.asarray(points, np.float32).reshape(-1, 5, 2)
        request = CutRequest(look.found.path, points, chip, look.width, look.height)
        return self._work.submit(_Job(look.found, request, lane=look.reader))


@dataclass(slots=True, eq=False)
class _Job:
    """One request and whoever waits for it. `lane` is the child that must do it, -1 for any."""

    found: Found
    cut: CutRequest | None = None
    lane: int = -1
    future: Future = field(default_factory=Future)
    retried: bool = False
    slot: int = -1

    def finish(self, answer: object) -> None:
        with contextlib.suppress(Exception):  # cancelled meanwhile
            if isinstance(answer, BaseException):
                self.future.set_exception(answer)
            else:
                self.future.set_result(answer)

    def blame(self, reason: str) -> None:
        """The child died of it."""
        if self.cut is None:
            self.finish(Look(self.found, Status.UNREADABLE, reason, None, None))
        else:
            self.finish(Unread(Status.UNREADABLE, reason, self.cut.width, self.cut.height))


class _Work:
    """The jobs that no child has yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._anyone: deque[_Job] = deque()
        self._for_lane: dict[int, deque[_Job]] = {}
        self._ended: BaseException | None = None

    def submit(self, job: _Job) -> Future:
        with self._changed:
            if self._ended is not None:
                raise self._ended
            self._queue(job.lane).append(job)
            self._changed.notify_all()
        return job.future

    def take(self, lane: int, most: int, *, wait: bool) -> list[_Job] | None:
        """Up to `most` jobs for a child, its own first; None once everything is over."""
        with self._changed:
            while self._ended is None:
                jobs: list[_Job] = []
                for queue in (self._queue(lane), self._anyone):
                    while queue and len(jobs) < most:
                        job = queue.popleft()
                        if job.future.running() or job.future.set_running_or_notify_cancel():
                            jobs.append(job)
                if jobs or not wait:
                    return jobs
                self._changed.wait()
            return None

    def put_back(self, jobs: Iterable[_Job], lane: int) -> None:
        with self._changed:
            for job in reversed(list(jobs)):
                self._queue(lane).appendleft(job)
            if self._ended is not None:
                self._drop()

    def stop(self, reason: BaseException) -> None:
        """End everything; whoever waits gets `reason`."""
        with self._changed:
            self._ended = self._ended or reason
            self._drop()
            self._changed.notify_all()

    def _drop(self) -> None:
        for queue in (self._anyone, *self._for_lane.values()):
            while queue:
                queue.popleft().finish(self._ended)

    def _queue(self, lane: int) -> deque[_Job]:
        return self._anyone if lane < 0 else self._for_lane.setdefault(lane, deque())


class _Lane:
    """One child and the thread that serves it."""

    def __init__(self, work: _Work, number: int, slot_bytes: int, timeout: float, setup: tuple) -> None:
        self.link = Link(_UNDER_WAY, slot_bytes)
        self.thread = threading.Thread(target=self._run, name=f"reader-{number}", daemon=True)
        self._work, self._number, self._timeout, self._setup = work, number, timeout, setup
        self._under_way: deque[_Job] = deque()
        self._free = list(range(_UNDER_WAY))

    def _run(self) -> None:
        try:
            self._start()
            while self._step():
                pass
        except BaseException as error:
            self._work.stop(error)
        finally:
            self._work.put_back(self._under_way, self._number)
            self.link.close()

    def _start(self) -> None:
        for attempt in range(_START_ATTEMPTS):
            try:
                self.link.start(self._setup)
                return
            except ChildLost as error:
                reason = str(error)
                time.sleep(0.2 * attempt)
        hint = "Try again with fewer processes; if memory and processes are free, this is a bug."
        raise AgebatchError(f"The processes that read photographs can't be started: {reason}", hint)

    def _step(self) -> bool:
        """Hand out what fits, then wait for one answer; False once everything is over."""
        idle = not self._under_way
        jobs = self._work.take(self._number, len(self._free), wait=idle)
        if jobs is None:
            return False
        if idle and not self.link.alive:
            self._start()  # something killed a child that had nothing to do
        if idle:
            self._since = time.monotonic()
        self._under_way.extend(jobs)
        try:
            for job in jobs:
                job.slot = self._free.pop()
                self.link.ask(job.cut or LookRequest(job.found.path, job.slot * self.link.slot_bytes))
            answer = self.link.receive(self._since + self._timeout, self._timeout)
        except ChildLost as error:
            return self._recover(error)
        self._since = time.monotonic()  # from now on the child works on the next one
        job = self._under_way.popleft()
        self._free.append(job.slot)
        job.finish(answer if job.cut else self._looked(job, answer))
        return True

    def _looked(self, job: _Job, answer: LookReply | Unread) -> Look:
        if not isinstance(answer, LookReply):
            return Look(job.found, answer.status, answer.message, answer.width, answer.height)
        preview = self.link.preview(job.slot, answer.shape)
        return Look(job.found, None, answer.message, answer.width, answer.height, preview, self._number)

    def _recover(self, error: ChildLost) -> bool:
        """Blame the photo that the child was at, start another child, and ask for the rest again."""
        guilty = self._under_way.popleft()
        rest = [guilty] if error.outside and not guilty.retried else []
        if rest:
            guilty.retried = True
        else:
            guilty.blame(str(error))
        self._work.put_back([*rest, *self._under_way], self._number)
        self._under_way.clear()
        self._free = list(range(_UNDER_WAY))
        self._start()
        return True
