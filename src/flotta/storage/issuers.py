"""Issuers of the access keys that open the buckets.

Which one to choose is in docs/how-to/provide-storage.md#access-keys-of-devices.

    KeyIssuer
     ├── DirectoryIssuer   the embedded server's key directory
     ├── IamIssuer         users and policies of an AWS IAM query API (iam_issuer.py)
     └── SharedIssuer      the administrator's own key for every bucket

The Secret of a claim decides which access key is in use. So `issue_key` comes first, then the
Secret is written, then `activate_key` makes that key, and no other, open the bucket. A crash in
between leaves an unused key, which the next `activate_key` or `issue_key` deletes.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from flotta.storage.access_keys import (
    AccessKey,
    is_access_key_id,
    new_access_key_id,
    new_secret_key,
)
from flotta.storage.errors import StorageUnavailable
from flotta.storage.key_store import drop_key, drop_keys, list_keys, read_key, write_key
from flotta.storage.s3_site import S3Site


class KeyIssuer(Protocol):
    """Issues access keys that open exactly one bucket.

    Every method may be repeated and may raise StorageError.
    """

    warning: str  # a sentence for administrators about the keys, "" for none

    async def has_keys(self, bucket: str) -> bool:
        """Tell whether keys, or their user, exist for a bucket that none was issued for yet."""

    async def issue_key(self, bucket: str) -> AccessKey:
        """Return a new access key for a bucket whose claim has no valid one."""

    async def activate_key(self, key: AccessKey) -> bool:
        """Make this key, and no other, open its bucket; False when it is no longer valid."""

    async def revoke_keys(self, bucket: str, known: AccessKey | None = None) -> bool:
        """Revoke every key of the bucket, the known one first; True when there was one."""


class DirectoryIssuer:
    """Writes the key files that the embedded S3 server reads; they are derived from the Secret."""

    warning = ""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def has_keys(self, bucket: str) -> bool:
        """Tell whether a key of the directory opens the bucket."""
        keys = await asyncio.to_thread(lambda: list(list_keys(self._directory)))
        return any(key.bucket == bucket for key in keys)

    async def issue_key(self, bucket: str) -> AccessKey:
        """Generate a key; `activate_key` makes it known to the server."""
        return AccessKey(new_access_key_id(), new_secret_key(), bucket)

    async def activate_key(self, key: AccessKey) -> bool:
        """Write the key's file and delete those of the bucket's other keys.

        False for a key that this issuer cannot have issued, or that opens another bucket.
        """
        if not is_access_key_id(key.access_key) or not key.bucket:
            return False
        known = await asyncio.to_thread(read_key, self._directory, key.access_key)
        if known is not None and known.bucket != key.bucket:
            return False  # a Secret that was edited must not take over another bucket's key
        await asyncio.to_thread(write_key, self._directory, key)
        await asyncio.to_thread(drop_keys, self._directory, key.bucket, keep=key.access_key)
        return True

    async def revoke_keys(self, bucket: str, known: AccessKey | None = None) -> bool:
        """Delete the files of the bucket's keys; False when there was none.

        To find those that are not known, every key of the directory is read.
        """
        first = known is not None and await asyncio.to_thread(self._drop, known, bucket)
        return bool(await asyncio.to_thread(drop_keys, self._directory, bucket)) or first

    def _drop(self, key: AccessKey, bucket: str) -> bool:
        """Drop a key if it opens this bucket: a Secret may have been edited."""
        stored = read_key(self._directory, key.access_key)
        if stored is None or stored.bucket != bucket:
            return False
        drop_key(self._directory, key.access_key)
        return True


class SharedIssuer:
    """Hands out the administrator's own key, for S3 servers without an IAM API."""

    warning = (
        "the bucket uses the administrator's own access key, which can read and change every "
        "other bucket, too; set S3_IAM_ENDPOINT instead of S3_SHARED_KEYS to give each device "
        "a separate key"
    )

    def __init__(self, site: S3Site) -> None:
        self._site = site

    async def has_keys(self, bucket: str) -> bool:
        """Return False: there are no keys of single buckets."""
        return False

    async def issue_key(self, bucket: str) -> AccessKey:
        """Return the administrator's key; raises StorageUnavailable when it cannot be read."""
        shared = self._read_administrator()
        return AccessKey(shared.access_key, shared.secret_key, bucket)

    async def activate_key(self, key: AccessKey) -> bool:
        """Tell whether this is the administrator's current key."""
        shared = self._read_administrator()
        return (key.access_key, key.secret_key) == (shared.access_key, shared.secret_key)

    async def revoke_keys(self, bucket: str, known: AccessKey | None = None) -> bool:
        """Revoke nothing: the key opens the other buckets, too."""
        return False

    def _read_administrator(self) -> AccessKey:
        try:
            return self._site.read_administrator()
        except ValueError as error:
            raise StorageUnavailable(str(error)) from error
