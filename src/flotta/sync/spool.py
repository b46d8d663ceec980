"""Folders for partial downloads, each in the file system of the file that becomes of them.

A rename works inside one file system only, so a file that is mounted elsewhere has its partial file
in a folder at the top of that file system. Containers can see and change that folder, as they can
the file: it is entered without following links.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flotta.mount_points import is_within, list_mount_points
from flotta.sync import tree
from flotta.sync.paths import SPOOL_NAME
from flotta.tree_removal import RemovalFailure, empty_directory, remove_tree

ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
PARTIAL = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Spool:
    """Finds the folder for a partial file; `usual` is the one beside the export directories."""

    def __init__(self, volumes: Path, usual: Path) -> None:
        self._volumes = volumes
        self._usual = usual

    @contextmanager
    def open_folder(self, workload: str, path: str) -> Iterator[int]:
        """Yield a descriptor of the folder from which a rename to a file below /export works.

        Raises OSError.
        """
        with contextlib.ExitStack() as opened:
            usual = _open(opened, self._usual)
            top = self._find_top(opened, [workload, *path.split("/")[:-1]], _mount_of(usual))
            if top is None:
                yield usual
                return
            with contextlib.suppress(FileExistsError):
                os.mkdir(SPOOL_NAME, 0o700, dir_fd=top)
            yield _open(opened, SPOOL_NAME, top)

    def _find_top(self, opened: contextlib.ExitStack, parts: list[str], usual: str) -> int | None:
        """Return the topmost directory of the file system, None if the usual folder is in it."""
        try:
            current = os.open(self._volumes, ROOT)
        except FileNotFoundError:
            return None
        opened.callback(os.close, current)
        top, mount = current, _mount_of(current)
        for part in filter(None, parts):
            try:
                current = _open(opened, part, current)
            except FileNotFoundError:
                break
            if _mount_of(current) != mount:
                top, mount = current, _mount_of(current)
        return None if mount == usual else top

    def clear(self) -> None:
        """Remove partial files that are no longer needed and what a killed child left."""
        for left_over in (*self._usual.glob("*.part"), *self._usual.glob("*.pem")):
            left_over.unlink(missing_ok=True)
        self._remove_others()

    def wipe(self) -> list[RemovalFailure]:
        """Remove everything; return what is left."""
        return [*empty_directory(self._usual), *self._remove_others()]

    def _remove_others(self) -> list[RemovalFailure]:
        """Remove the folders at the tops of file systems; return what is left."""
        volumes = os.path.realpath(self._volumes)
        with contextlib.suppress(OSError):
            mounted = [path for path in list_mount_points() if is_within(path, volumes)]
            return [
                failure
                for path in dict.fromkeys([volumes, *mounted])
                for failure in self._remove_folder(os.path.relpath(path, volumes))
            ]
        return []

    def _remove_folder(self, place: str) -> list[RemovalFailure]:
        try:
            with tree.open_directory(
                Path(os.path.realpath(self._volumes)), "" if place == "." else place
            ) as directory:
                return remove_tree(Path(f"/proc/self/fd/{directory}/{SPOOL_NAME}"))
        except OSError:
            return []  # it is gone, or a container has moved it


def open_partial(folder: int, name: str) -> int:
    """Return a descriptor that reads and writes a partial file, which may have content.

    What is not a file of one name, and so not ours, is replaced. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(name, dir_fd=folder)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            os.unlink(name, dir_fd=folder)
    return os.open(name, PARTIAL, 0o600, dir_fd=folder)


def _open(opened: contextlib.ExitStack, path: Path | str, parent: int | None = None) -> int:
    descriptor = os.open(path, tree.DIRECTORY, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


def _mount_of(descriptor: int) -> str:
    """Return what tells the mounts of a device apart, also two of one file system (proc(5))."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line
    return str(os.fstat(descriptor).st_dev)
