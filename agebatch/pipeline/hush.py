"""Loading TensorFlow without its chatter on the user's terminal."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from agebatch import console

_CHATTER = re.compile(
    rb"WARNING: All log messages before absl|[IW]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IW] |\s*$"
)


@contextmanager
def hushed() -> Iterator[None]:
    """While the block runs, keep notes and warnings of C++ libraries from stderr; errors come out at its end.

    The environment variables alone don't do it: some of TensorFlow's libraries log before they read them.
    Messages of `agebatch.console` are not held back.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if console.is_verbose() or sys.stderr is None:
        yield
        return
    console.keep_apart()
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile(buffering=0) as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            said.seek(0)
            for line in said.readall().splitlines(keepends=True):
                if not _CHATTER.match(line):
                    os.write(2, line)
