"""Who issues the key pairs that open the buckets.

    KeyIssuer
     ├── DirectoryIssuer   the embedded server's key directory
     ├── IamIssuer         users and policies of an AWS IAM query API (iam_issuer.py)
     └── SharedIssuer      the administrator's pair for everybody

The Secret of a claim is the truth about its pair. So `issue` comes first, then the Secret is
written, then `settle` makes that pair, and no other, open the bucket. A crash in between leaves a
pair that nobody knows; the next `settle` or `issue` takes it away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from .errors import StorageUnavailable
from .keys import Key, drop_keys, read_key, write_key
from .names import is_access_key, new_access_key, new_secret_key

if TYPE_CHECKING:
    from pathlib import Path

    from .site import Site


class KeyIssuer(Protocol):
    """Issues pairs that open exactly one bucket. All methods may be repeated and raise StorageError."""

    warning: str  # what people should know about the pairs, "" for nothing

    async def issue(self, bucket: str) -> Key:
        """Return a new pair for the bucket, whose claim has none that counts."""

    async def settle(self, key: Key) -> bool:
        """Make this pair, and no other, open its bucket; False when it does not count any more."""

    async def withdraw(self, bucket: str) -> bool:
        """Take every pair of the bucket away; True when one was there until now."""


class DirectoryIssuer:
    """Writes the key files that the embedded S3 server reads; they are derived from the Secret."""

    warning = ""

    def __init__(self, directory: Path):
        self._directory = directory

    async def issue(self, bucket: str) -> Key:
        return Key(new_access_key(), new_secret_key(), bucket)

    async def settle(self, key: Key) -> bool:
        if not is_access_key(key.access_key) or not key.bucket:
            return False
        known = await asyncio.to_thread(read_key, self._directory, key.access_key)
        if known is not None and known.bucket != key.bucket:
            return False  # a Secret edited to name somebody else's pair must not replace it
        await asyncio.to_thread(write_key, self._directory, key)
        await asyncio.to_thread(drop_keys, self._directory, key.bucket, keep=key.access_key)
        return True

    async def withdraw(self, bucket: str) -> bool:
        return bool(await asyncio.to_thread(drop_keys, self._directory, bucket))


class SharedIssuer:
    """Hands out the administrator's own pair, where a site can do no better."""

    warning = (
        "the bucket is opened by the administrator's own keys, so its holder can read and change "
        "every other bucket too; set S3_IAM_ENDPOINT instead of S3_SHARED_KEYS to keep them apart"
    )

    def __init__(self, site: Site):
        self._site = site

    async def issue(self, bucket: str) -> Key:
        pair = self._pair()
        return Key(pair.access_key, pair.secret_key, bucket)

    async def settle(self, key: Key) -> bool:
        pair = self._pair()
        return (key.access_key, key.secret_key) == (pair.access_key, pair.secret_key)

    async def withdraw(self, bucket: str) -> bool:
        return False

    def _pair(self) -> Key:
        try:
            return self._site.administrator()
        except ValueError as error:
            raise StorageUnavailable(str(error)) from error
