"""The child side of `Readers`: decodes photos and cuts chips, one request at a time, silently.

Loads NumPy, Pillow and pillow-heif, never TensorFlow. It starts as a bare interpreter (`main` is its entry),
so the parent's main module is not imported again, and talks over one inherited socket. It lives until that
socket closes; should it be stuck by then, an alarm ends it.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import sys
import warnings
from collections import OrderedDict
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from agebatch.faces import alignment
from agebatch.images import reading
from agebatch.images.opening import one_line
from agebatch.images.reading import Decoded, Unread
from agebatch.images.resizing import about, divided, whole_as_chip, within
from agebatch.results.schema import Status
from agebatch.workers.messages import CutRequest, LookReply, LookRequest, Setup

# Of the chip's pixels; with fewer a photo is decoded again, finer. 2,876 of UTKFace's chips that training did not see,
# reduced to 0.47 of the side and enlarged again, have an error of 4.51 years instead of 4.50, at 0.4 one of 4.54;
# gender loses nothing (with the model of 4.56 years).
SHARP_ENOUGH = 0.46
KEPT_BYTES = 128 << 20
"""Decoded pictures that a child keeps, so that cutting chips seldom decodes again."""

KEPT_SIDES = 3
"""A picture that can't be decoded reduced is kept at about this many times the preview's longer side."""

_ALARM_GRACE = 15.0  # seconds beyond the parent's timeout: the parent should be the one to act
_PILLOW_BYTES = 4  # Pillow stores an RGB pixel in four bytes


def main() -> None:
    """Entry of a child: its only argument is the descriptor of its socket."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as SIGINT and SIGTERM, ignored before the imports:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the parent decides when this ends, by closing the socket
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not also fill the disk
    warnings.simplefilter("ignore")
    try:
        _serve(Connection(int(sys.argv[1])))
    except (EOFError, OSError):
        os._exit(0)


def _serve(connection: Connection) -> None:
    setup = connection.recv()
    desk = _Desk(setup)
    # Until here the parent reads what is said on stderr, as the reason why a child doesn't start.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    connection.send(None)
    while True:
        request = connection.recv()
        # The kernel's alarm works even where a decoder loops with Python's lock held and no parent left.
        signal.setitimer(signal.ITIMER_REAL, setup.timeout + _ALARM_GRACE)
        answer = desk.answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send(answer)


class _Desk:
    """Everything a child holds between two requests."""

    def __init__(self, setup: Setup) -> None:
        reading.use_one_thread()
        self.setup = setup
        self.memory = mmap.mmap(setup.shared, setup.shared_bytes)
        self.decoder = setup.decoder or reading.decode
        self.kept: OrderedDict[str, Decoded] = OrderedDict()
        self.kept_bytes = 0
        _limit_memory(setup.max_megapixels)

    def answer(self, request: LookRequest | CutRequest) -> LookReply | np.ndarray | Unread:
        """Do one request; a surprise here costs one photo."""
        try:
            return self._look(request) if isinstance(request, LookRequest) else self._cut(request)
        except MemoryError:
            self.kept.clear()
            self.kept_bytes = 0
            return Unread(Status.UNREADABLE, "not enough memory to decode it")
        except Exception as error:
            return Unread(Status.UNREADABLE, f"{type(error).__name__}: {one_line(error)}")

    def _look(self, request: LookRequest) -> LookReply | Unread:
        chip = self.setup.pre_cropped
        decoded = self._decode(request.path, chip or self.setup.side)
        if isinstance(decoded, Unread):
            return decoded
        if chip:
            preview = whole_as_chip(decoded.image, chip)
        else:
            decoded = self._keep(request.path, decoded)
            preview = self._preview(decoded)
        data = preview.tobytes()
        self.memory[request.offset : request.offset + len(data)] = data
        return LookReply(decoded.width, decoded.height, decoded.message, (preview.height, preview.width, 3))

    def _cut(self, request: CutRequest) -> np.ndarray | Unread:
        """Each face from the kept picture where that has the pixels, else from one decoded finer."""
        size = (request.width, request.height)
        chips = np.zeros((len(request.points), request.chip, request.chip, 3), np.uint8)
        spans = [alignment.side_in_picture(points) for points in request.points]  # in the original
        if not spans:
            return chips
        # original to picture, for the smallest face
        enough = min(1.0, SHARP_ENOUGH * request.chip / max(min(spans), 1.0))
        coarse = self.kept.get(request.path)
        fine = coarse
        if coarse is None or coarse.scale < enough * 0.999:
            fine = self._decode(request.path, round(max(size) * enough + 0.5))
            if isinstance(fine, Unread):
                return fine
            if (fine.width, fine.height) != size:
                return Unread(Status.UNREADABLE, "the file changed while it was scanned", *size)
        for index, (points, span) in enumerate(zip(request.points, spans, strict=True)):
            source = coarse if coarse is not None and span * coarse.scale >= request.chip else fine
            scale = np.divide(source.image.size, size)
            chips[index] = alignment.cut(source.image, points * scale, request.chip)
        return chips

    def _preview(self, decoded: Decoded) -> Image.Image:
        side, wanted = self.setup.side, self.setup.wanted_side
        if wanted:
            return within(decoded.image, min(side, wanted(decoded.width, decoded.height)))
        # A JPEG comes at this size already; an exact one would cost an eighth of its decoding.
        return about(decoded.image, side)

    def _decode(self, path: str, side: int) -> Decoded | Unread:
        return self.decoder(path, side=side, max_megapixels=self.setup.max_megapixels)

    def _keep(self, path: str, decoded: Decoded) -> Decoded:
        """Hold on to a picture, shrunk where nobody is likely to need all of it, and drop the oldest."""
        factor = max(decoded.image.size) // (KEPT_SIDES * self.setup.side)
        decoded = replace(decoded, image=divided(decoded.image, factor))
        self._drop(path)
        self.kept[path] = decoded
        self.kept_bytes += _bytes(decoded)
        while self.kept_bytes > KEPT_BYTES and len(self.kept) > 1:
            self._drop(next(iter(self.kept)))
        return decoded

    def _drop(self, path: str) -> None:
        decoded = self.kept.pop(path, None)
        if decoded is not None:
            self.kept_bytes -= _bytes(decoded)


def _bytes(decoded: Decoded) -> int:
    return decoded.image.width * decoded.image.height * _PILLOW_BYTES


def _limit_memory(max_megapixels: float) -> None:
    """Make a decoder that runs away fail with MemoryError instead of taking the machine with it.

    Twenty bytes a pixel of the largest picture allowed are more than any conversion here uses.
    """
    if sys.platform != "linux":
        return
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = now + (1 << 30) + int(min(max_megapixels, 1e6) * 1e6 * 20)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
