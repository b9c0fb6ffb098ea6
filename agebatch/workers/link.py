"""The parent's end of one reading process: start it, ask, wait with a deadline, end it."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection

import numpy as np

from agebatch.workers.messages import CutRequest, LookRequest, Setup

_START_SECONDS = 120.0
_BOOT = (
    "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]; "
    "import sys; sys.path[:] = {path}; from agebatch.workers.child import main; main()"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ChildLost(Exception):
    """The child died or was killed for taking too long; says how, for people.

    `outside` is true where the decoder is not the first to suspect: something sent it a SIGKILL.
    """

    def __init__(self, reason: str, *, outside: bool = False) -> None:
        super().__init__(reason)
        self.outside = outside


class Link:
    """One child process, and `slots` pieces of `slot_bytes` memory shared with it for previews.

    A plain subprocess and not `multiprocessing`: that would import the caller's main module again, needs it
    guarded, and starts a resource tracker beside the children.
    """

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slot_bytes = slot_bytes
        self._size = max(slots * slot_bytes, mmap.PAGESIZE)
        self._descriptor: int | None = None
        self._memory: mmap.mmap | None = None
        self._process: subprocess.Popen | None = None
        self._connection: Connection | None = None

    def start(self, setup: tuple) -> None:
        """Start the child; `setup` is `Setup` without its last two fields.

        Raises:
            ChildLost: it can't be started.
        """
        self.end()
        if self._descriptor is None or self._memory is None:
            self._descriptor = _anonymous_file(self._size)
            self._memory = mmap.mmap(self._descriptor, self._size)
        ours, theirs = socket.socketpair()
        with ours, theirs, tempfile.TemporaryFile() as complaints:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _BOOT.format(path=ascii(sys.path)), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=complaints,
                    pass_fds=(theirs.fileno(), self._descriptor),
                    env={**os.environ, **_ONE_THREAD},
                    start_new_session=True,  # Ctrl-C in the terminal is the parent's business
                )
            except OSError as error:
                raise ChildLost(f"can't start a process: {error.strerror}") from None
            self._connection = Connection(ours.detach())
            theirs.close()  # else a child that dies would not be noticed
            try:
                self._send(Setup(*setup, shared=self._descriptor, shared_bytes=self._size))
                self.receive(time.monotonic() + _START_SECONDS, _START_SECONDS)
            except ChildLost as error:
                complaints.seek(0)
                last = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise ChildLost(last or str(error)) from None

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.poll() is None

    def ask(self, request: LookRequest | CutRequest) -> None:
        """Send a request.

        Raises:
            ChildLost: the child is gone.
        """
        self._send(request)

    def receive(self, deadline: float, allowed: float) -> object:
        """Wait for the next answer.

        Args:
            deadline: on the monotonic clock.
            allowed: seconds, for the message.

        Raises:
            ChildLost: the child died, or took too long and was killed.
        """
        assert self._connection is not None
        try:
            if not self._connection.poll(max(deadline - time.monotonic(), 0)):
                self.end()
                raise ChildLost(f"the decoder took longer than {allowed:g} s")
            return self._connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None

    def preview(self, slot: int, shape: tuple[int, int, int]) -> np.ndarray:
        """A copy of what the child wrote: uint8 (h, w, 3)."""
        count = shape[0] * shape[1] * shape[2]
        assert self._memory is not None
        view = np.frombuffer(self._memory, np.uint8, count, slot * self.slot_bytes)
        return view.reshape(shape).copy()

    def end(self) -> None:
        """Kill the child. One stuck in the kernel (a dead network mount) can't die yet and is left behind."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)

    def kill(self) -> None:
        """As `end`, from another thread: only the signal, so that who waits for an answer wakes up."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the child and give back the shared memory."""
        self.end()
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _send(self, message: object) -> None:
        assert self._connection is not None
        try:
            self._connection.send(message)
        except OSError:
            raise self._lost() from None

    def _lost(self) -> ChildLost:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return ChildLost("the decoder's process stopped answering")
        if code == -signal.SIGKILL:
            reason = "the decoder was killed (signal 9), perhaps because memory ran out"
            return ChildLost(reason, outside=True)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return ChildLost(f"the decoder crashed ({how})", outside=code in (-signal.SIGTERM, -signal.SIGINT))


def _anonymous_file(size: int) -> int:
    """A descriptor of memory without a name, that a child can inherit and a crash can't leave behind."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("agebatch-previews")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
