"""`fsGroup`: the group that owns a volume, so that processes of the pod can write to it.

As Kubernetes: directories get the group, its permissions and setgid, so that what is made in them
has the group too; files get the group and its permissions. The root of the tree comes last: that
it has the group says that everything below it had it, even if this was interrupted before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flotta.worker.volumes.safe_paths import name_of
from flotta.worker.volumes.tree_walk import TreeWalk

FILE_MODE = 0o660
DIRECTORY_MODE = stat.S_ISGID | 0o770
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
        gift = _Gift(group, found.st_dev)
        with closing(TreeWalk(root)) as walk:
            for directory, entry in walk:
                with suppress(FileNotFoundError, NotADirectoryError):  # it is gone
                    if gift.visit(directory, entry.name):
                        walk.enter(directory, entry.name)
        gift.change(root, found)
        return gift.changed
    finally:
        os.close(root)


def _fits(found: os.stat_result, group: int) -> bool:
    wanted = _mode_of(found)
    return found.st_gid == group and stat.S_IMODE(found.st_mode) & wanted == wanted


def _mode_of(found: os.stat_result) -> int:
    return DIRECTORY_MODE if stat.S_ISDIR(found.st_mode) else FILE_MODE


@dataclass
class _Gift:
    group: int
    device: int
    changed: int = 0

    def visit(self, directory: int, name: str) -> bool:
        """Change an entry; tell whether it is a directory to go through."""
        with _opened(name, ENTRY, directory) as entry:
            found = os.fstat(entry)
            if found.st_dev != self.device or stat.S_ISLNK(found.st_mode):
                return False
            self.change(entry, found)
            return stat.S_ISDIR(found.st_mode)

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
