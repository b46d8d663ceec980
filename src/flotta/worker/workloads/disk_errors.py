"""Errors of the disk as sentences that are equal for equal causes."""

from __future__ import annotations

import errno
import os

CAUSES = {
    errno.ENOSPC: "no space is left; remove files there or enlarge the file system",
    errno.EDQUOT: "the disk quota is used up; remove files there or raise the quota",
    errno.EROFS: "the file system is read-only; remount it writable",
    errno.EIO: "the disk cannot be read or written; the kernel's log says why",
}


def describe_disk_error(error: OSError) -> str:
    """Return place, cause and, where it is known, the next step, without a full stop."""
    cause = CAUSES.get(error.errno or 0, error.strerror or str(error))
    if not error.filename:
        return cause
    folder, name = os.path.split(os.fsdecode(error.filename))
    # A temporary file has another name each time.
    return f"{folder if name.startswith('.') else os.path.join(folder, name)}: {cause}"
