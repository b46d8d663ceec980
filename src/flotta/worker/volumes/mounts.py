"""The worker's own mounts: tmpfs of pods, and paths inside their volumes.

They are below a directory of `/run`, so that none survives a reboot. Each is private: what is
unmounted below it is not unmounted where it came from.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from flotta.mount_points import is_within, list_mount_points
from flotta.sync.linux import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    MS_REMOUNT,
    mount,
    unmount,
)
from flotta.tree_removal import RemovalFailure
from flotta.worker.volumes.safe_paths import name_of

OPEN_TO_ALL = 0o777  # as Kubernetes makes an emptyDir
DEFAULT_SIZE = "50%"  # of the memory, what a tmpfs has without a size (tmpfs(5))


def mount_memory(path: Path, size: int | None) -> None:
    """Mount a tmpfs of at most `size` bytes, or change the size of the one that is mounted.

    Without `size` it has the kernel's default. One with more in it than the new size is replaced
    by an empty one.
    """
    make_private_directory(path)
    limit = f"size={size if size is not None else DEFAULT_SIZE}"
    flags = MS_NOSUID | MS_NODEV
    if os.path.ismount(path):
        try:
            mount("tmpfs", str(path), "tmpfs", flags | MS_REMOUNT, limit)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            unmount_all(path)
        else:
            return
    mount("tmpfs", str(path), "tmpfs", flags, f"{limit},mode={OPEN_TO_ALL:o}")
    _make_private(path)


def mount_open(descriptor: int, target: Path) -> None:
    """Mount what is open, a file or a directory, at `target`, in the place of what was there."""
    unmount_all(target)
    make_private_directory(target.parent)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        _replace(target, is_directory=True)
    else:
        _replace(target, is_directory=False)
    mount(name_of(descriptor), str(target), None, MS_BIND | MS_REC)
    _make_private(target)


def make_private_directory(path: Path) -> None:
    """Make a directory that only root can enter, with those above it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove_mounts(directory: Path) -> list[RemovalFailure]:
    """Remove a directory of mount points with them; return what is left."""
    left: list[RemovalFailure] = []
    with contextlib.suppress(FileNotFoundError):
        for target in sorted(directory.iterdir()):
            left += remove_mount(target)
        if not left:
            left += remove_mount(directory)
    return left


def remove_mount(target: Path) -> list[RemovalFailure]:
    """Unmount what is at a path and remove the mount point; return what is left.

    Nothing is entered: a mount point that is not empty, or is used again, is refused.
    """
    try:
        unmount_all(target)
        with contextlib.suppress(FileNotFoundError):
            target.rmdir() if target.is_dir() else target.unlink()
    except OSError as error:
        return [RemovalFailure(str(target), error.strerror or str(error))]
    return []


def unmount_all(target: Path) -> None:
    """Take away every mount at this path and below; raises OSError."""
    for place in _list_mounts(target):
        unmount(place)


def _list_mounts(directory: Path) -> list[str]:
    """Return the mount points at or below a directory, the last ones first."""
    top = str(directory)
    return [place for place in reversed(list_mount_points()) if is_within(place, top)]


def _replace(target: Path, *, is_directory: bool) -> None:
    """Make an empty mount point of the right kind."""
    with contextlib.suppress(FileNotFoundError):
        target.rmdir() if target.is_dir() else target.unlink()
    if is_directory:
        target.mkdir(mode=0o700)
    else:
        target.touch(mode=0o600)


def _make_private(target: Path) -> None:
    mount("none", str(target), None, MS_PRIVATE | MS_REC)
