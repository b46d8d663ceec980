"""Waiting for the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_SECONDS = 1.0


class Deadline:
    """The end of the time that a user grants; seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = asyncio.get_running_loop().time() + seconds

    @property
    def over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._end

    async def until(self, look: Callable[[], Awaitable[T]], pause: float = LOOK_SECONDS) -> T:
        """Look again and again until something true is seen or the time is over; returns the last look."""
        while True:
            found = await look()
            if found or self.over:
                return found
            await asyncio.sleep(pause)
