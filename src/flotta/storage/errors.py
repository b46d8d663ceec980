"""What can go wrong with object storage.

StorageError
 ├── StorageUnavailable   temporary: no response, or a refusal that ends by itself
 └── StorageRefused       the server understood the request and refuses it
"""

from __future__ import annotations


class StorageError(Exception):
    """The S3 server did not carry out a request."""


class StorageUnavailable(StorageError):
    """Another attempt may succeed."""


class StorageRefused(StorageError):
    """Another attempt fails, too, until a setting is changed."""
