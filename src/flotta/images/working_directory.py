"""A directory for what is needed only while a program runs.

It is removed when the program ends. What a program left that was killed is removed by the next one
that works in the same folder: the lock of a directory goes with its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = ".flotta-image-"
UNLOCKED = ".new-flotta-image-"  # until it is locked, so that nobody takes it for a leftover


@contextlib.contextmanager
def open_working_directory(folder: Path) -> Iterator[Path]:
    """Yield an empty directory in a folder; it is removed in any case. Raises OSError.

    Programs that are started meanwhile have its lock too.
    """
    remove_leftovers(folder)
    new = Path(tempfile.mkdtemp(prefix=UNLOCKED, dir=folder))
    work = folder / new.name.replace(UNLOCKED, PREFIX, 1)
    handle = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.set_inheritable(handle, True)
        os.rename(new, work)
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove the directories in a folder whose programs have ended."""
    for found in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # of another user, or removed meanwhile
            handle = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(found)
            finally:
                os.close(handle)
