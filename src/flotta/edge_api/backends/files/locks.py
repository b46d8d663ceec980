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
from flotta.edge_api.backends.files.errors import unusable

PATIENCE = 15.0  # seconds; whoever holds it writes a few small files
RETRY = 0.002, 0.1  # first and longest seconds between two attempts
HELD = (errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def locked(directory: Path, *, writing: bool) -> Iterator[None]:
    """Hold the lock of a directory; it goes with the process.

    Raises BackendError when others have it for too long, and OSError when the directory cannot be
    opened. Where directories have no locks (NFS), there is none.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _take(handle, directory, fcntl.LOCK_EX if writing else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _take(handle: int, directory: Path, kind: int) -> None:
    end, backoff = time.monotonic() + PATIENCE, Backoff(*RETRY)
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD:
                return
        else:
            return
        if time.monotonic() >= end:
            raise unusable(
                f"Another program has locked {directory} for {PATIENCE:.0f} s. Find it with: "
                f"fuser -v {directory}"
            )
        time.sleep(backoff.next())
