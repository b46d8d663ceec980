"""Changes of Secrets that several servers make at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flotta.backoff import Backoff
from flotta.edge_api.backends.backend import SecretConflict

ATTEMPTS = 12
RETRY = 0.01, 0.7  # first and longest seconds between two of them

T = TypeVar("T")


async def retry_on_secret_conflict(change: Callable[[], Awaitable[T]]) -> T:
    """Read and write a Secret until nobody else changes it in between; return what `change` does.

    It pauses, because what another server has written may not be readable yet. Raises
    SecretConflict after the last attempt.
    """
    backoff = Backoff(*RETRY)
    for _ in range(ATTEMPTS - 1):
        try:
            return await change()
        except SecretConflict:
            await asyncio.sleep(backoff.next())
    return await change()
