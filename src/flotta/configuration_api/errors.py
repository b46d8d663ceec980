"""What ends a request or a command, each with a sentence for who has to act."""

from __future__ import annotations


class ApiError(Exception):
    """A response that is not a success: its HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str, retry_after: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after  # seconds; 0 for none


class DatabaseError(ValueError):
    """The database cannot be used; the sentence says why and what to do."""


class FullDiskError(DatabaseError):
    """There is no room for a transaction; nothing of it was stored."""


class BusyDatabaseError(DatabaseError):
    """Another process has written for longer than anybody waits."""
