"""Locks of a directory by flock(2): many readers or one writer, without a file that remains."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from flotta.backoff import Backoff

RETRY = 0.002, 0.1  # first and longest seconds between two attempts
HELD = (errno.EAGAIN, errno.EACCES)


class DirectoryLockedError(Exception):
    """Others hold the lock for too long."""


@contextlib.contextmanager
def hold_lock(directory: Path, patience: float, *, writing: bool = True) -> Iterator[None]:
    """Hold the lock of a directory; it goes with the process.

    Raises DirectoryLockedError when others have it for `patience` seconds, and OSError when the
    directory cannot be opened. Where directories have no locks (NFS), there is none.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _take(handle, patience, fcntl.LOCK_EX if writing else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _take(handle: int, patience: float, kind: int) -> None:
    end, backoff = time.monotonic() + patience, Backoff(*RETRY)
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD:
                return
        else:
            return
        if time.monotonic() >= end:
            raise DirectoryLockedError
        time.sleep(backoff.next())
