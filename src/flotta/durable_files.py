"""Files that survive a power cut with the old content or the new, never a mixture."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

READABLE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not block


def write_atomically(path: Path, data: bytes, mode: int = 0o600, group: int | None = None) -> None:
    """Replace the content of `path` with `data`, atomically and durably.

    `group` is the id of the group that owns the file, None for that of the process.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if group is not None:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:  # cancelled or interrupted, too: no temporary file stays behind
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_directory(path.parent)


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises OSError for one that is larger, before it is read, and for anything but a file: a
    damaged directory entry must not fill the memory or block the reader.
    """
    handle = os.open(path, READABLE)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        content = file.read(limit + 1) if found.st_size <= limit else b""
        if found.st_size > limit or len(content) > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit} bytes", str(path))
        return content


def sync_directory(path: Path) -> None:
    """Make a rename or removal in this directory durable (fsync(2) of the directory)."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
