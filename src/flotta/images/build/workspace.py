"""The directory in which an image is built, beside where it will be.

It is locked as long as its builder, or a program that the builder started, lives. The next build
for the same directory removes those that nobody holds: what a killed build has left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.images.working_directory import open_working_directory, remove_leftovers
from flotta.protocol.reasons.images import DESTINATION_UNUSABLE, NO_SPACE

NEEDED = 2_500_000_000  # bytes: the unpacked root twice, its archive and the image


@contextlib.contextmanager
def open_workspace(output: Path) -> Iterator[Path]:
    """Yield an empty directory on the file system of the image; it is removed in any case.

    Raises ImageError when it cannot be made, or when there is too little space for a build.
    """
    with contextlib.ExitStack() as stack:
        try:
            with lock_directory(output):  # one build looks for space at a time
                remove_leftovers(output.parent)
                _require_space(output.parent)
                work = stack.enter_context(open_working_directory(output.parent))
        except OSError as error:
            raise ImageError(
                DESTINATION_UNUSABLE,
                f"{output.parent} cannot be written to: {error.strerror}. Create the directory, or "
                "choose another one.",
            ) from error
        work.chmod(0o755)  # apt drops its privileges and has to pass
        yield work


def _require_space(folder: Path) -> None:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < NEEDED:
        raise ImageError(
            NO_SPACE,
            f"A build needs {NEEDED // 10**6} MB in {folder}, and {free // 10**6} MB are free. "
            "Free space, or write the image to another file system.",
        )
