"""Files that appear complete at their path, or not at all.

1. A new file has no name while it is written (O_TMPFILE, open(2)), so that nothing remains of a
   process that is killed. It gets its name by link(2) and rename(2): a file that was there stays
   until then.
2. Where the file system knows no unnamed files, it has a name of its own beside the destination,
   and a small process removes that when the writer ends, however it ends.
3. Its space is reserved before the first byte, so that a full disk is found out at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flotta.durable_files import sync_directory
from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import DESTINATION_UNUSABLE, NO_SPACE

# What open(2) says where there are no unnamed files: also of kernels that do not know the flag.
NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)
MAX_NAME = 255  # bytes of the name of a file (limits.h, NAME_MAX)
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_RESERVATION = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
# Reads until the writer closes its end of the pipe, by publishing the file or by its death.
GUARD = 'cat >/dev/null; exec rm -f -- "$1"'


@dataclass(frozen=True)
class Ownership:
    """Permissions of a file, and the ids of its owner and group; None leaves them to the system."""

    mode: int = 0o600
    user: int | None = None
    group: int | None = None

    def matches(self, found: os.stat_result) -> bool:
        """Tell whether a file has them already."""
        users = self.user is None or self.user == found.st_uid
        groups = self.group is None or self.group == found.st_gid
        return users and groups and stat.S_IMODE(found.st_mode) == self.mode

    def apply(self, handle: int) -> None:
        """Give them to an open file."""
        if self.user is not None or self.group is not None:
            os.fchown(handle, *(-1 if id_ is None else id_ for id_ in (self.user, self.group)))
        os.fchmod(handle, self.mode)


class NewFile:
    """A file that is written beside `destination` and has no name yet that anybody looks at."""

    def __init__(self, destination: Path, handle: int, name: Path | None) -> None:
        self.handle = handle  # a file descriptor, open for reading and writing
        self._destination = destination
        self._name = name

    def reserve(self, size: int) -> None:
        """Take the space of so many bytes. Raises ImageError when there is not enough."""
        try:
            os.posix_fallocate(self.handle, 0, size)
        except OSError as error:
            if error.errno in NO_RESERVATION:
                os.ftruncate(self.handle, size)
                return
            raise explain_write_error(self._destination, error, size) from error

    def publish(self, ownership: Ownership) -> None:
        """Make the file durable and put it at its destination, in place of one that is there."""
        ownership.apply(self.handle)
        os.fsync(self.handle)
        name = self._name or self._give_name()
        try:
            os.rename(name, self._destination)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        sync_directory(self._destination.parent)

    def _give_name(self) -> Path:
        name = _temporary_name(self._destination)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # of a process that was killed between link and rename
        # Python follows the link of /proc only when a directory is given.
        folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.link(str(self.handle), name, src_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)
        return name


@contextlib.contextmanager
def new_file(destination: Path, size: int = 0) -> Iterator[NewFile]:
    """Open a file that `publish` puts at the destination; without that nothing remains of it.

    `size` bytes are reserved. Raises ImageError when that is not possible, or writing fails.
    """
    try:
        with _open_new(destination) as file:
            if size:
                file.reserve(size)
            yield file
    except OSError as error:
        raise explain_write_error(destination, error, size) from error


def explain_write_error(destination: Path, error: OSError, size: int) -> ImageError:
    """Return the error of a file that cannot be written, with the free space where that matters."""
    if error.errno not in FULL:
        return ImageError(
            DESTINATION_UNUSABLE,
            f"{destination} cannot be written: {error.strerror or error}. It is as before. "
            "Correct that, or choose another path.",
        )
    free = free_space(destination)
    return ImageError(
        NO_SPACE,
        f"{destination} needs {size} bytes, and {free} are free. It is as before. Free space "
        "there, or write to another file system.",
    )


def require_writable(destination: Path) -> None:
    """Raise ImageError where this user cannot create a file of that name."""
    name = _temporary_name(destination).name
    if len(os.fsencode(name)) > MAX_NAME:
        raise explain_write_error(
            destination, OSError(errno.ENAMETOOLONG, "its name is too long"), 0
        )
    if not os.access(destination.parent, os.W_OK | os.X_OK):
        read_only = os.statvfs(destination.parent).f_flag & os.ST_RDONLY
        code = errno.EROFS if read_only else errno.EACCES
        raise explain_write_error(destination, OSError(code, os.strerror(code)), 0)


def free_space(destination: Path) -> int:
    """Return the bytes that this user may still write beside the destination, 0 if unknown."""
    try:
        found = os.statvfs(destination.parent)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


@contextlib.contextmanager
def _open_new(destination: Path) -> Iterator[NewFile]:
    try:
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
        handle = os.open(destination.parent, flags, 0o600)
    except OSError as error:
        if error.errno not in NO_UNNAMED_FILES or not destination.parent.is_dir():
            raise
        with _open_guarded(destination) as named:
            yield named
        return
    try:
        yield NewFile(destination, handle, None)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _open_guarded(destination: Path) -> Iterator[NewFile]:
    """Open a file with a name, which goes when this process ends."""
    name = _temporary_name(destination)
    command = ["/bin/sh", "-c", GUARD, "sh", str(name)]
    # In a session of its own: an interrupt from the terminal is for the writer alone.
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # of a power cut
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(name, flags, 0o600)
        try:
            yield NewFile(destination, handle, name)
        finally:
            os.close(handle)
    finally:
        guard.communicate()


def _temporary_name(destination: Path) -> Path:
    """Return the name of a file on its way; the lock of the directory makes one enough."""
    return destination.with_name(f".{destination.name}.flotta-part")
