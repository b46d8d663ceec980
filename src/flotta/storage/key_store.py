"""The key store of the embedded S3 server: one file `<id>.json` for each access key.

The provisioner writes them, the server's auth proxy reads them. A file is 0640, so that the
directory's group (set-group-id) lets the server read what another user wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from flotta.durable_files import write_atomically
from flotta.storage.access_keys import AccessKey, is_access_key_id
from flotta.storage.directory_names import DirectoryNames

KEY_MODE = 0o640  # the server reads as the group of the directory
SUFFIX = ".json"  # of the file of a key


class KeyIds:
    """The ids of the keys in a directory that is looked at often."""

    def __init__(self, directory: Path) -> None:
        self._names = DirectoryNames(directory)
        self._known: frozenset[str] = frozenset()
        self._ids: frozenset[str] = frozenset()

    def read(self) -> frozenset[str]:
        """Return the ids, the same object while no file was added or removed; raises OSError."""
        names = self._names.read()
        if names is not self._known:
            found = (name for name in names if name.endswith(SUFFIX))
            self._known = names
            self._ids = frozenset(name.removesuffix(SUFFIX) for name in found)
        return self._ids


def write_key(directory: Path, key: AccessKey) -> bool:
    """Store an access key durably; returns False when it is stored already."""
    if read_key(directory, key.access_key) == key:
        return False
    data = json.dumps(asdict(key)).encode()
    write_atomically(directory / f"{key.access_key}{SUFFIX}", data, KEY_MODE)
    return True


def read_key(directory: Path, access_key: str) -> AccessKey | None:
    """Return the access key of this id; None for an unknown or invalid id or a damaged file."""
    if not is_access_key_id(access_key):
        return None
    try:
        return AccessKey(**json.loads((directory / f"{access_key}{SUFFIX}").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def drop_keys(directory: Path, bucket: str, *, keep: str | None = None) -> list[str]:
    """Remove every key of the bucket but `keep`; returns the ids that were removed."""
    dropped = [
        key.access_key
        for key in list_keys(directory)
        if key.bucket == bucket and key.access_key != keep
    ]
    for access_key in dropped:
        drop_key(directory, access_key)
    return dropped


def drop_key(directory: Path, access_key: str) -> None:
    """Remove one access key; an absent one is fine. Raises ValueError for an invalid id."""
    if not is_access_key_id(access_key):
        raise ValueError("the id is not a valid access key id")
    (directory / f"{access_key}{SUFFIX}").unlink(missing_ok=True)


def list_keys(directory: Path) -> Iterator[AccessKey]:
    """Yield every readable access key of the store."""
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        key = read_key(directory, path.stem)
        if key is not None:
            yield key
