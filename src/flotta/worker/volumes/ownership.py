"""`fsGroup`: the group that owns a volume, so that processes of the pod can write to it.

As Kubernetes: directories get the group, its permissions and setgid, so that what is made in them
has the group too; files get the group and its permissions. The root of the tree comes last: that
it has the group says that everything below it had it, even if this was interrupted before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from flotta.worker.volumes.safe_paths import name_of

LEVELS = 128  # directories that are open at once; what lies deeper keeps its group
FILE_MODE = 0o660
DIRECTORY_MODE = stat.S_ISGID | 0o770
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def give_to_group(path: Path, group: int, *, on_mismatch: bool) -> int:
    """Give a tree to a group and return how many entries were changed.

    Links are not followed, other file systems below are left alone. With `on_mismatch`, nothing
    is done when the root has group and permissions already. Raises OSError.
    """
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(root)
        if on_mismatch and _fits(found, group):
            return 0
        walk = _Walk(group, found.st_dev)
        walk.go_through(root)
        walk.change(root, found)
        return walk.changed
    finally:
        os.close(root)


def _fits(found: os.stat_result, group: int) -> bool:
    wanted = _mode_of(found)
    return found.st_gid == group and stat.S_IMODE(found.st_mode) & wanted == wanted


def _mode_of(found: os.stat_result) -> int:
    return DIRECTORY_MODE if stat.S_ISDIR(found.st_mode) else FILE_MODE


class _Level(NamedTuple):
    """An open directory and what is left of its entries."""

    directory: int
    entries: Iterator[os.DirEntry[str]]

    @classmethod
    def of(cls, directory: int) -> _Level:
        return cls(directory, os.scandir(directory))

    def close(self) -> None:
        os.close(self.directory)


@dataclass
class _Walk:
    group: int
    device: int
    changed: int = 0
    _open: list[_Level] = field(default_factory=list)

    def go_through(self, root: int) -> None:
        """Change everything below an open directory, without recursion."""
        self._open.append(_Level.of(os.dup(root)))
        try:
            while self._open:
                level = self._open[-1]
                entry = next(level.entries, None)
                if entry is None:
                    self._open.pop().close()
                else:
                    self._visit(level.directory, entry.name)
        finally:
            for level in self._open:
                level.close()

    def _visit(self, directory: int, name: str) -> None:
        """Change an entry and, if it is a directory, go on inside; one that is gone is skipped."""
        try:
            with _opened(name, ENTRY, directory) as entry:
                found = os.fstat(entry)
                if found.st_dev != self.device or stat.S_ISLNK(found.st_mode):
                    return
                self.change(entry, found)
                if not stat.S_ISDIR(found.st_mode) or len(self._open) >= LEVELS:
                    return
            inner = os.open(name, DIRECTORY, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return
        self._open.append(_Level.of(inner))

    def change(self, entry: int, found: os.stat_result) -> None:
        """Give what is open to the group; what has it already is not touched."""
        if _fits(found, self.group):
            return
        path = name_of(entry)
        os.chown(path, -1, self.group)
        os.chmod(path, stat.S_IMODE(found.st_mode) | _mode_of(found))
        self.changed += 1


@contextmanager
def _opened(name: str, flags: int, directory: int) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
