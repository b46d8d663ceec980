"""Exit codes of containers: conmon writes one file for each, named by its id."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flotta.durable_files import read_bounded

MAX_SIZE = 100  # bytes of a file
# Seconds by which the time of a file is behind the clock at most: it is that of the last tick, and
# can be before what the container wrote last. podman takes longer to start a container again.
TICK = 0.02
ID_LENGTH = 64  # hexadecimal digits; temporary files have longer names


class ExitFile(NamedTuple):
    """What a file says: the exit code, and when that was, in seconds since 1970."""

    code: int
    moment: float


class ExitFiles:
    """Reports each exit once, however often its file is read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._read: dict[str, tuple[int, int]] = {}  # container id → inode and time of its file

    def skip_present(self) -> None:
        """Skip the exits that are present now: when they happened is unknown."""
        for _ in self.read_new():
            pass

    def read_new(self) -> Iterator[tuple[str, ExitFile]]:
        """Yield container id and exit for each file that is new or was written again."""
        try:
            paths = sorted(self.directory.iterdir())
        except OSError:
            return
        present = {path.name for path in paths}
        self._read = {id_: version for id_, version in self._read.items() if id_ in present}
        for path in paths:
            found = self.read_exit(path)
            if found is not None:
                yield path.name, found

    def read_exit(self, path: Path) -> ExitFile | None:
        """Return the exit in one file; None when it was read before or is not complete."""
        if len(path.name) != ID_LENGTH:
            return None
        with contextlib.suppress(OSError, ValueError):
            status = path.stat()
            version = status.st_ino, status.st_mtime_ns
            code = int(read_bounded(path, MAX_SIZE))
            if self._read.get(path.name) != version:
                self._read[path.name] = version
                return ExitFile(code, status.st_mtime + TICK)
        return None

    def forget(self, path: Path) -> None:
        """Note that a file was removed."""
        self._read.pop(path.name, None)
