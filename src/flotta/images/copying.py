"""Copies of whole files by the kernel, without passing their bytes through this process."""

from __future__ import annotations

import errno
import os

CHUNK = 1 << 30  # bytes of one call
# Other file systems, or a kernel or file system that does not know the call.
NO_COPY = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EBADF)


class CopyError(OSError):
    """Reading ended or failed at `offset`, before the whole was copied."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(errno.EIO, reason)
        self.offset = offset
        self.reason = reason


def copy_file(source: int, target: int, size: int) -> None:
    """Copy the first bytes of one descriptor over those of another.

    Raises CopyError when the source ends early, OSError when writing fails.
    """
    offset = 0
    copy = _copy_range
    while offset < size:
        try:
            count = copy(source, target, offset, min(CHUNK, size - offset))
        except OSError as error:
            if copy is _copy_range and error.errno in NO_COPY:
                copy = _send
                continue
            if error.errno == errno.EIO:
                raise CopyError(offset, str(error.strerror)) from error
            raise
        if not count:
            raise CopyError(offset, "the file ends there")
        offset += count


def _copy_range(source: int, target: int, offset: int, count: int) -> int:
    return os.copy_file_range(source, target, count, offset, offset)


def _send(source: int, target: int, offset: int, count: int) -> int:
    os.lseek(target, offset, os.SEEK_SET)
    return os.sendfile(target, source, offset, count)
