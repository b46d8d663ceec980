"""How much a directory takes on disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

from flotta.worker.volumes.tree_walk import DIRECTORY, TreeWalk

BLOCK = 512  # bytes of a block of `st_blocks`, whatever the file system has (stat(2))
# Bytes of an entry at least: some file systems keep small directories, empty files and links where
# `st_blocks` does not count them, and a walk through any number of them would not end.
LEAST = 512
MAX_LINKED = 100_000  # files with several names that are remembered, so that each counts once


def exceeds(path: Path, limit: int) -> bool:
    """Tell whether what is below a directory takes more than `limit` bytes.

    It ends as soon as that is known. Links are not followed. Left out are other file systems, what
    vanishes meanwhile, and what lies too deep (`tree_walk`).
    """
    left = limit
    linked: set[int] = set()
    with contextlib.closing(_walk(path)) as entries:
        for found in entries:
            is_counted = found.st_ino in linked
            if found.st_nlink > 1 and len(linked) < MAX_LINKED:
                linked.add(found.st_ino)
            left -= LEAST if is_counted else max(found.st_blocks * BLOCK, LEAST)
            if left < 0:
                return True
    return False


def _walk(path: Path) -> Generator[os.stat_result, None, None]:
    """Yield what is known of each entry below a directory, as far as it can be read."""
    with (
        contextlib.suppress(OSError),
        _opened(path) as root,
        contextlib.closing(TreeWalk(root)) as walk,
    ):
        device = os.fstat(root).st_dev
        for directory, entry in walk:
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if found.st_dev != device:
                    continue
                yield found
                if entry.is_dir(follow_symlinks=False):
                    walk.enter(directory, entry.name)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    root = os.open(path, DIRECTORY)
    try:
        yield root
    finally:
        os.close(root)
