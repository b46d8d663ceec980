"""How much a directory takes on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 512  # bytes of a block of `st_blocks`, whatever the file system has (stat(2))
MAX_LINKED = 100_000  # files with several names that are remembered, so that each counts once


def exceeds(path: Path, limit: int) -> bool:
    """Tell whether what is below a directory takes more than `limit` bytes.

    It ends as soon as that is known. Links are not followed, other file systems are left out, and
    so is what vanishes meanwhile or has too long a path.
    """
    left = limit
    linked: set[int] = set()
    for found in _walk(path):
        if found.st_ino in linked:
            continue
        if found.st_nlink > 1 and len(linked) < MAX_LINKED:
            linked.add(found.st_ino)
        left -= found.st_blocks * BLOCK
        if left < 0:
            return True
    return False


def _walk(path: Path) -> Iterator[os.stat_result]:
    """Yield what is known of each entry below a directory, without recursion."""
    pending = [os.fspath(path)]
    try:
        device = os.stat(path).st_dev
    except OSError:
        return
    while pending:
        for entry in _list_entries(pending.pop()):
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if found.st_dev != device:
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            yield found


def _list_entries(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from entries
    except OSError:
        return
