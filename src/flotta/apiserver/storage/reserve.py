"""Room on the disk that is kept for deletions.

A deletion writes before it frees anything. On a full disk it would be refused as everything else
is, and then nothing could be freed any more (docs/reference/resource-api.md#a-full-disk).
"""

from __future__ import annotations

import os
from pathlib import Path

# Enough for a transaction, the write-ahead log and the pages that a checkpoint moves from it into
# the database file (`MAX_BATCH_BYTES` and SQLite's wal_autocheckpoint of 1,000 pages bound them).
SIZE = 16 * 1024 * 1024  # bytes


class Reserve:
    """A file beside the database that only takes up room."""

    def __init__(self, database: Path, size: int = SIZE) -> None:
        self._path = database.with_name(f"{database.name}.reserve")
        self._size = size

    def exists(self) -> bool:
        """Tell whether it was made, so that the database was in use."""
        return self._path.exists()

    def make(self) -> bool:
        """Take up the room; return whether there was enough of it."""
        try:
            if self._path.exists() and self._path.stat().st_size >= self._size:
                return True
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        except OSError:
            os.ftruncate(descriptor, 0)
            return False
        finally:
            os.close(descriptor)
        return True

    def give_up(self) -> None:
        """Free the room."""
        self._path.unlink(missing_ok=True)
