"""One writer at a time in a directory, without a file that would remain there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from flotta.images.errors import ImageError
from flotta.images.publication import explain_write_error
from flotta.protocol.reasons.images import DESTINATION_BUSY

LOCK_TIMEOUT = 60.0  # seconds
PAUSE = 0.1  # seconds between two attempts
HELD = (errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def lock_directory(destination: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock of the directory of a file; it goes with the process.

    Raises ImageError when another process has it for longer than `timeout` seconds. Where
    directories have no locks (NFS), there is none: files are still replaced as a whole.
    """
    try:
        handle = os.open(destination.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise explain_write_error(destination, error, 0) from error
    try:
        _take(handle, destination, timeout)
        yield
    finally:
        os.close(handle)


def _take(handle: int, destination: Path, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD:
                return
        else:
            return
        if time.monotonic() >= end:
            raise ImageError(
                DESTINATION_BUSY,
                f"Another process writes to {destination.parent} and did not end within "
                f"{timeout:g} s. Wait for it, and start again.",
            )
        time.sleep(PAUSE)
