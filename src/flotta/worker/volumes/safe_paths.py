"""Opening a path inside a volume whose content a container controls.

A container can put a symbolic link anywhere in its volumes, at any moment. A path that the host
resolves would follow it to the host's files (CVE-2017-1002101 of Kubernetes). So each part is
opened by itself, below the one before, and a link is refused; what is mounted then is the opened
file, not its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

PART = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
BASE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class UnsafePathError(OSError):
    """A part of the path is a symbolic link."""


@contextmanager
def open_beneath(base: int, path: PurePosixPath, *, make_mode: int | None = None) -> Iterator[int]:
    """Yield a descriptor (O_PATH) of a file or directory below the directory `base`.

    With `make_mode`, missing directories are made with this mode. Raises UnsafePathError for a
    symbolic link, and OSError when something is missing or is not a directory.
    """
    descriptor = os.dup(base)
    try:
        for part in path.parts:
            inner = _open_part(descriptor, part, make_mode)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _open_part(parent: int, name: str, make_mode: int | None) -> int:
    if name in ("..", "/"):
        raise UnsafePathError(errno.ELOOP, "the path leaves its volume", name)
    try:
        descriptor = os.open(name, PART, dir_fd=parent)
    except FileNotFoundError:
        if make_mode is None:
            raise
        descriptor = _make_part(parent, name, make_mode)
    if stat.S_ISLNK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafePathError(errno.ELOOP, f'"{name}" is a symbolic link', name)
    return descriptor


def _make_part(parent: int, name: str, mode: int) -> int:
    """Make a directory and open it; what somebody else has made meanwhile is only opened."""
    with contextlib.suppress(FileExistsError):
        make_directory(name, mode, parent)
    return os.open(name, PART, dir_fd=parent)


def make_directory(path: str | Path, mode: int, parent: int | None = None) -> None:
    """Make a directory with exactly this mode, in one step: no power cut leaves another one.

    Raises OSError. The process must have one thread, for which the umask is changed.
    """
    umask = os.umask(0)
    try:
        os.mkdir(path, mode, dir_fd=parent)
    finally:
        os.umask(umask)


def name_of(descriptor: int) -> str:
    """Return a path that leads to what is open, whatever its name leads to by now."""
    return f"/proc/self/fd/{descriptor}"
