"""A long list of files in little memory: about 90 bytes each with paths of 60."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, Protocol


class Seen(Protocol):
    """A file as a walk found it: `images.discovery.Found`, made with these three arguments."""

    path: str
    size: int
    mtime_ns: int


class Todo:
    """Files in order: `append`, `len`, and iteration that makes the files anew."""

    def __init__(self) -> None:
        self._make: Any = None
        self._paths = bytearray()
        self._ends = array("Q")
        self._sizes = array("q")
        self._times: list[int] | array[int] = array("q")

    def append(self, item: Seen) -> None:
        """Add one file; all must be of one type."""
        self._make = type(item)
        self._paths += item.path.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._paths))
        self._sizes.append(item.size)
        try:
            self._times.append(item.mtime_ns)
        except OverflowError:  # a date after the year 2262
            self._times = [*self._times, item.mtime_ns]

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Any]:
        start = 0
        for end, size, mtime_ns in zip(self._ends, self._sizes, self._times, strict=True):
            path = self._paths[start:end].decode("utf-8", "surrogatepass")
            yield self._make(path=path, size=size, mtime_ns=mtime_ns)
            start = end
