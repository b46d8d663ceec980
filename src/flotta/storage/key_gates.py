"""Gates: how an access key of the embedded S3 server is closed without a restart of rclone.

rclone remembers an accepted key, with the backend that it opens, for five minutes after its last
use, and asks nobody about it again. So the backend of each key leads through a gate, a link of the
key's own on the path to the buckets:

    <gates>/<access key id>  ->  the folder that has the folder of the buckets

To close a key, its link is replaced by an empty file. Nothing below a file can be opened, listed or
created (ENOTDIR, path_resolution(7)), not even by rclone, which may write here. Other keys and what
they transfer do not notice. What the key has open already stays open: a request that has begun may
read or write the rest of its one object.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from flotta.storage.directory_names import DirectoryNames

HIDDEN = "."  # begins the name of what is about to replace a gate


class KeyGates:
    """The gates in a directory; every method raises OSError when it cannot be read or written."""

    def __init__(self, directory: Path, root: Path) -> None:
        """Keep gates to the folder `root` of the buckets, an absolute path without links."""
        self._directory = directory
        self._root = root
        self._names = DirectoryNames(directory)
        self._opened: frozenset[str] = frozenset()
        self._settled: tuple[frozenset[str], frozenset[str]] | None = None  # gates and keys

    def path_through(self, access_key: str) -> Path:
        """Return the folder of the buckets as a key reaches it through its gate.

        The gate is not the last part of it: rclone takes a link for something else than a folder.
        """
        return self._directory / access_key / self._root.name

    def open(self, access_key: str) -> None:
        """Open the gate of a key; one that is open needs no write, which a full disk refuses."""
        if self._is_open(access_key):
            return
        new = self._new_path(access_key)
        new.symlink_to(self._root.parent)
        os.replace(new, self._directory / access_key)

    def close(self, access_key: str) -> None:
        """Close the gate of a key: the next request with it fails, and every one after that."""
        new = self._new_path(access_key)
        try:
            new.touch()
            os.replace(new, self._directory / access_key)
        except OSError:  # a full disk: without a link nothing is found either
            (self._directory / access_key).unlink(missing_ok=True)

    def is_settled(self, keys: frozenset[str]) -> bool:
        """Tell whether nothing has changed since `settle` found nothing to do; costs a look-up."""
        return self._settled == (self._read_names(), keys)

    def settle(self, keys: frozenset[str]) -> list[str]:
        """Give every key of these ids its gate and close all others; return those it closed."""
        gates = self._read_names()
        closed = sorted(name for name in gates - keys if self._is_open(name))
        for access_key in closed:
            self.close(access_key)
        # Those that were open are open still, unless somebody removed them: there may be thousands.
        new = keys - (self._opened & gates)
        for access_key in new:
            self.open(access_key)
        self._opened = keys
        self._settled = None if closed or new else (gates, keys)
        return closed

    def prepare(self, keys: frozenset[str]) -> None:
        """Remove what no key needs, before rclone starts: it remembers no key then."""
        self._read_names()  # makes the directory
        for name in self._names.read() - keys:
            (self._directory / name).unlink()
        self.settle(keys)

    def _read_names(self) -> frozenset[str]:
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        # A link that another process is about to put in place is not a gate.
        return frozenset(name for name in self._names.read() if not name.startswith(HIDDEN))

    def _is_open(self, access_key: str) -> bool:
        with contextlib.suppress(OSError):
            return os.readlink(self._directory / access_key) == str(self._root.parent)
        return False

    def _new_path(self, access_key: str) -> Path:
        """Return a path of this process alone; auth proxies run at the same time."""
        path = self._directory / f"{HIDDEN}{access_key}.{os.getpid()}"
        path.unlink(missing_ok=True)
        return path
