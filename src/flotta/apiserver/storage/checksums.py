"""Checksums of stored rows: a value that changed on its way to the disk or on it is noticed.

SQLite finds damage of its own structures only, not of the values in them.
"""

from __future__ import annotations

import hashlib

SIZE = 16  # bytes of a checksum


def checksum_row(*values: str | int | bytes | None) -> bytes:
    """Return the checksum of a row's values; their lengths count, so that no value can move."""
    digest = hashlib.blake2b(digest_size=SIZE)
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()
