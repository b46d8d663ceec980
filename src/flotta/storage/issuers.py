"""Who issues the access keys that open the buckets.

    KeyIssuer
     ├── DirectoryIssuer   the embedded server's key directory
     ├── IamIssuer         users and policies of an AWS IAM query API (iam_issuer.py)
     └── SharedIssuer      the administrator's own key for everybody

The Secret of a claim is the truth about its access key. So `issue_key` comes first, then the Secret
is written, then `activate_key` makes that key, and no other, open the bucket. A crash in between
leaves a key that nobody knows; the next `activate_key` or `issue_key` takes it away.
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
from flotta.storage.key_store import drop_keys, read_key, write_key
from flotta.storage.s3_site import S3Site


class KeyIssuer(Protocol):
    """Issues access keys that open exactly one bucket.

    Every method may be repeated and may raise StorageError.
    """

    warning: str  # what people should know about the keys, "" for nothing

    async def issue_key(self, bucket: str) -> AccessKey:
        """Return a new access key for the bucket, whose claim has none that counts."""

    async def activate_key(self, key: AccessKey) -> bool:
        """Make this key, and no other, open its bucket; False when it does not count any more."""

    async def revoke_keys(self, bucket: str) -> bool:
        """Take every key of the bucket away; True when one was there until now."""


class DirectoryIssuer:
    """Writes the key files that the embedded S3 server reads; they are derived from the Secret."""

    warning = ""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def issue_key(self, bucket: str) -> AccessKey:
        """Make up a key; the server gets to know it by `activate_key`."""
        return AccessKey(new_access_key_id(), new_secret_key(), bucket)

    async def activate_key(self, key: AccessKey) -> bool:
        """Write the key's file and drop the bucket's others.

        False for a key that cannot be ours, or that opens another bucket.
        """
        if not is_access_key_id(key.access_key) or not key.bucket:
            return False
        known = await asyncio.to_thread(read_key, self._directory, key.access_key)
        if known is not None and known.bucket != key.bucket:
            return False  # a Secret edited to name somebody else's key must not replace it
        await asyncio.to_thread(write_key, self._directory, key)
        await asyncio.to_thread(drop_keys, self._directory, key.bucket, keep=key.access_key)
        return True

    async def revoke_keys(self, bucket: str) -> bool:
        """Drop the files of the bucket's keys; False when there was none."""
        return bool(await asyncio.to_thread(drop_keys, self._directory, bucket))


class SharedIssuer:
    """Hands out the administrator's own key, where a site can do no better."""

    warning = (
        "the bucket is opened by the administrator's own keys, so its holder can read and change "
        "every other bucket too; set S3_IAM_ENDPOINT instead of S3_SHARED_KEYS to keep them apart"
    )

    def __init__(self, site: S3Site) -> None:
        self._site = site

    async def issue_key(self, bucket: str) -> AccessKey:
        """Return the administrator's key; raises StorageUnavailable when it cannot be read."""
        shared = self._read_administrator()
        return AccessKey(shared.access_key, shared.secret_key, bucket)

    async def activate_key(self, key: AccessKey) -> bool:
        """Tell whether this is the administrator's key of today."""
        shared = self._read_administrator()
        return (key.access_key, key.secret_key) == (shared.access_key, shared.secret_key)

    async def revoke_keys(self, bucket: str) -> bool:
        """Take nothing away: the key opens the other buckets, too."""
        return False

    def _read_administrator(self) -> AccessKey:
        try:
            return self._site.read_administrator()
        except ValueError as error:
            raise StorageUnavailable(str(error)) from error
