"""How many probes begin at the same moment.

Hundreds of containers must not start hundreds of programs at once, and one that does not answer
must not keep the others from being asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

SLOTS = 4  # probes that begin at once; small devices have as many cores
HOLD = 1.0  # seconds after which a probe that still waits for its answer lets others begin


class Slots:
    """Lets a few probes begin at a time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(SLOTS)

    @contextlib.asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a slot and keep it for the block, but no longer than `HOLD`."""
        await self._slots.acquire()
        held = contextlib.ExitStack()
        held.callback(self._slots.release)
        timer = asyncio.get_running_loop().call_later(HOLD, held.close)
        try:
            yield
        finally:
            timer.cancel()
            held.close()  # does nothing if the timer has done it
