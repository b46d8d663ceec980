"""The names in a directory that is looked at often and changes rarely."""

from __future__ import annotations

import os
import time
from pathlib import Path

# Nanoseconds in which a directory may change again without another modification time: the kernel
# takes it from a clock that ticks every few milliseconds.
TICK = 1_000_000_000


class DirectoryNames:
    """Reads the names again only after the directory was changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names: frozenset[str] = frozenset()
        self._seen = -1  # modification time in ns of what is known; -1 to read it again

    def read(self) -> frozenset[str]:
        """Return the names, the same object while nothing was added or removed.

        Raises OSError when the directory cannot be read.
        """
        changed = self._directory.stat().st_mtime_ns
        if changed != self._seen:
            names = frozenset(os.listdir(self._directory))
            self._seen = changed if time.time_ns() - changed > TICK else -1
            if names != self._names:
                self._names = names
        return self._names
