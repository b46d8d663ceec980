"""One writer at a time in a directory of images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flotta.directory_lock import DirectoryLockedError, hold_lock
from flotta.images.errors import ImageError
from flotta.images.publication import explain_write_error
from flotta.protocol.reasons.images import DESTINATION_BUSY

LOCK_TIMEOUT = 60.0  # seconds


@contextlib.contextmanager
def lock_directory(destination: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock of the directory of a file; it goes with the process.

    Raises ImageError when another process has it for longer than `timeout` seconds. Where
    directories have no locks (NFS), there is none: files are still replaced as a whole.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(destination.parent, timeout))
        except OSError as error:
            raise explain_write_error(destination, error, 0) from error
        except DirectoryLockedError as error:
            raise ImageError(
                DESTINATION_BUSY,
                f"Another process writes to {destination.parent} and did not end within "
                f"{timeout:g} s. Wait for it, and start again.",
            ) from error
        yield
