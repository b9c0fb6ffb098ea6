"""The command line: options become settings, settings a command, and an error an exit code.

Each verb's options stand in their own file here; what it does is in `agebatch.commands` and is imported when
it is called, so `--help`, `--version` and usage errors never load TensorFlow, pandas or matplotlib.
"""

from agebatch.cli.app import app, main

__all__ = ["app", "main"]
