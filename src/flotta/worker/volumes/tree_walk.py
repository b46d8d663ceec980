"""Going through a tree that a container may change meanwhile.

Each directory on the way is open, so that nothing leads out of the tree. Descriptors and memory
depend on its depth, not on how many entries it has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

LEVELS = 128  # directories that are open at once; what lies deeper is left out
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Level:
    """An open directory and what is left of its entries; closes it also where it cannot be read."""

    def __init__(self, directory: int) -> None:
        self.directory = directory
        try:
            self.entries = os.scandir(directory)
        except OSError:
            os.close(directory)
            raise

    def close(self) -> None:
        self.entries.close()
        os.close(self.directory)


class TreeWalk:
    """Yields each entry below an open directory, with the descriptor of the directory it is in.

    Only directories that the caller enters are gone through, before what comes after them.
    """

    def __init__(self, root: int) -> None:
        self._levels = [_Level(os.dup(root))]

    def __iter__(self) -> Iterator[tuple[int, os.DirEntry[str]]]:
        """Go through the tree; raises OSError for a directory that cannot be read."""
        while self._levels:
            level = self._levels[-1]
            entry = next(level.entries, None)
            if entry is None:
                self._levels.pop().close()
            else:
                yield level.directory, entry

    def enter(self, directory: int, name: str) -> None:
        """Go on inside a directory, unless it lies too deep; raises OSError when it is gone."""
        if len(self._levels) < LEVELS:
            self._levels.append(_Level(os.open(name, DIRECTORY, dir_fd=directory)))

    def close(self) -> None:
        """Close what is open; the walk ends."""
        while self._levels:
            self._levels.pop().close()
