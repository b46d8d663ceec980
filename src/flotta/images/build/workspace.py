"""The directory in which an image is built, beside where it will be.

It is locked as long as its builder, or a program that the builder started, lives. The next build
for the same directory removes those that nobody holds: what a killed build has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import DESTINATION_UNUSABLE, NO_SPACE

PREFIX = ".flotta-image-"
NEEDED = 2_500_000_000  # bytes: the unpacked root twice, its archive and the image


@contextlib.contextmanager
def open_workspace(output: Path) -> Iterator[Path]:
    """Yield an empty directory on the file system of the image; it is removed in any case.

    Raises ImageError when it cannot be made, or when there is too little space for a build.
    """
    try:
        with lock_directory(output):  # else another build takes the new directory for a leftover
            _remove_leftovers(output.parent)
            _require_space(output.parent)
            work = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output.parent))
            handle = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        raise ImageError(
            DESTINATION_UNUSABLE,
            f"{output.parent} cannot be written to: {error.strerror}. Create the directory, or "
            "choose another one.",
        ) from error
    try:
        os.set_inheritable(handle, True)
        work.chmod(0o755)  # apt drops its privileges and has to pass
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(handle)


def _require_space(folder: Path) -> None:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < NEEDED:
        raise ImageError(
            NO_SPACE,
            f"A build needs {NEEDED // 10**6} MB in {folder}, and {free // 10**6} MB are free. "
            "Free space, or write the image to another file system.",
        )


def _remove_leftovers(folder: Path) -> None:
    for found in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # of another user, or removed meanwhile
            handle = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(found)
            finally:
                os.close(handle)
