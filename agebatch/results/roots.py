"""Folders that held photographs and hold none any more: most often a disk that isn't mounted."""

from __future__ import annotations

from collections.abc import Iterable

from agebatch.errors import InputError


class EmptyRoots:
    """Watches a walk beside the earlier report. True while some root has yielded nothing yet."""

    def __init__(self, roots: Iterable[str]) -> None:
        self._prefixes = {root: _prefixes(root) for root in roots}
        self._waiting = dict(self._prefixes)
        self._lost = dict.fromkeys(self._prefixes, 0)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def see(self, path: str) -> None:
        """The walk found this file."""
        for root in [root for root, prefixes in self._waiting.items() if path.startswith(prefixes)]:
            del self._waiting[root]

    def had(self, path: str) -> bool:
        """The earlier report has this file and the walk hasn't; True when it lies below a root."""
        roots = [root for root, prefixes in self._prefixes.items() if path.startswith(prefixes)]
        for root in roots:
            self._lost[root] += 1
        return bool(roots)

    def check(self) -> None:
        """Raise InputError where a root with earlier rows has yielded nothing."""
        for root in self._waiting:
            if self._lost[root]:
                raise InputError(
                    f"no photograph below {root}, where the report has {self._lost[root]}",
                    "is the disk mounted? The report is untouched; --fresh starts over without its rows",
                )


def _prefixes(root: str) -> tuple[str, ...]:
    """How paths below a root begin, also where the walk had to write `./` before it."""
    folder = root if root.endswith("/") else root + "/"
    return (folder,) if folder.startswith(("/", "./")) else (folder, "./" + folder)
