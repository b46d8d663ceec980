"""Transfers that had begun when the last access key of their bucket was dropped.

A gate (`key_gates`) closes a key for its next request, but what rclone has open stays open: it
sends the rest of an object, and takes further parts of an upload, which will never become an
object. All of that ends with rclone. It is restarted for it as soon as nobody else transfers
anything, which breaks off nothing; or, for the sake of the disk, when such an upload has grown by
MOST.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from flotta.storage.key_store import read_key

MOST = 1 << 30  # bytes by which an upload may grow while others transfer
LOOKS = 5  # looks for begun transfers after a key was dropped: a file may be about to be opened


class BegunTransfers:
    """Finds the files that rclone has open, by proc_pid_fd(5)."""

    def __init__(self, root: Path, keys: Path) -> None:
        self._root = root
        self._keys = keys
        self._buckets: dict[str, str] = {}  # by id of a key
        self._closed: dict[str, int] = {}  # looks that are left, by bucket without a key
        self._begun: dict[Path, int] = {}  # size of a file when it was first seen open

    def learn(self, ids: frozenset[str]) -> None:
        """Read which buckets these keys open; reads only those that are new."""
        for access_key in ids - self._buckets.keys():
            key = read_key(self._keys, access_key)
            if key is not None and key.bucket is not None:
                self._buckets[access_key] = key.bucket

    def note_closed(self, ids: Iterable[str]) -> None:
        """Note that these keys were dropped; a bucket that another key opens is left alone."""
        buckets = {self._buckets.pop(access_key, "") for access_key in ids}
        for bucket in buckets - {"", *self._buckets.values()}:
            self._closed[bucket] = LOOKS

    def must_end(self, process: int) -> bool:
        """Tell whether rclone is to be restarted now, because of what a dropped key began."""
        if not self._closed and not self._begun:
            return False
        opened = self._list_open(process)
        for path, size in opened.items():
            if path.relative_to(self._root).parts[0] in self._closed:
                self._begun.setdefault(path, size)
        self._closed = {bucket: left - 1 for bucket, left in self._closed.items() if left > 1}
        self._begun = {path: size for path, size in self._begun.items() if path in opened}
        if not self._begun:
            return False
        grown = any(opened[path] > size + MOST for path, size in self._begun.items())
        return grown or opened.keys() == self._begun.keys()

    def forget(self) -> None:
        """Forget what had begun: rclone has ended."""
        self._closed.clear()
        self._begun.clear()

    def _list_open(self, process: int) -> dict[Path, int]:
        """Return path and size of the files in buckets that a process has open."""
        opened: dict[Path, int] = {}
        folder = f"/proc/{process}/fd"
        try:
            names = os.listdir(folder)
        except OSError:  # it has ended
            return {}
        for name in names:
            try:
                path = Path(os.readlink(f"{folder}/{name}"))
                if path != self._root and path.is_relative_to(self._root):
                    opened[path] = os.stat(f"{folder}/{name}").st_size
            except OSError:  # closed meanwhile
                continue
        return opened
