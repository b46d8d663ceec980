"""Folders of the buckets that access keys open: one that disappears is created again.

rclone lets a key delete the bucket that it opens while that is empty, and has no option against it.
The device would then fail at every file until somebody acts. A bucket that the operator removes has
no key any more, because the operator revokes keys first.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flotta.storage.bucket_names import is_bucket_name
from flotta.storage.key_store import read_key

log = logging.getLogger(__name__)
BUCKET_MODE = 0o750  # as rclone creates them, with its umask of 027


class BucketFolders:
    """Compares the folders with the keys whenever a folder was added or removed."""

    def __init__(self, root: Path, keys: Path) -> None:
        self._root = root
        self._keys = keys
        self._checked = 0  # modification time of the root in ns when it was compared last
        self._buckets: dict[str, tuple[int, str | None]] = {}  # key file: time in ns, its bucket

    def restore(self) -> list[str]:
        """Create the missing folders and return their names; reads nothing if none changed.

        Raises OSError when a folder cannot be read or created.
        """
        changed = self._root.stat().st_mtime_ns
        if changed == self._checked:
            return []
        missing = self._opened_buckets().difference(os.listdir(self._root))
        for bucket in sorted(missing):
            (self._root / bucket).mkdir(mode=BUCKET_MODE, exist_ok=True)
            log.warning(
                "Bucket %s was deleted with the key of its device; created it again", bucket
            )
        self._checked = changed
        return sorted(missing)

    def _opened_buckets(self) -> set[str]:
        """Return the buckets of all keys; only files that are new or changed are read."""
        with os.scandir(self._keys) as entries:
            times = {
                entry.name: entry.stat().st_mtime_ns
                for entry in entries
                if entry.name.endswith(".json")
            }
        self._buckets = {name: self._bucket_of(name, time) for name, time in times.items()}
        found = {bucket for _, bucket in self._buckets.values() if bucket}
        return {bucket for bucket in found if is_bucket_name(bucket)}

    def _bucket_of(self, name: str, changed: int) -> tuple[int, str | None]:
        known = self._buckets.get(name)
        if known is not None and known[0] == changed:
            return known
        key = read_key(self._keys, name.removesuffix(".json"))
        return changed, key.bucket if key else None
