"""What can go wrong with object storage.

StorageError
 ├── StorageUnavailable   temporary: no answer, or a refusal that ends by itself
 └── StorageRefused       the server understood and will not do it
"""

from __future__ import annotations


class StorageError(Exception):
    """The S3 server did not do what was asked."""


class StorageUnavailable(StorageError):
    """Worth trying again later."""


class StorageRefused(StorageError):
    """Trying again changes nothing until somebody changes a setting."""
