"""Waiting between two tries of a workload, and giving up a wait when something else is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from flotta.backoff import Backoff


@dataclass
class Pause:
    """How long to wait before a workload is tried again, and how often its start failed."""

    starts: int = 0
    until: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(2.0, 120.0))

    @property
    def seconds(self) -> float:
        return self.until - time.monotonic()

    def prolong(self, failed_start: bool) -> None:
        """Wait longer than the last time."""
        self.starts += failed_start
        self.until = time.monotonic() + self.backoff.next()


async def sleep_unless(changed: asyncio.Event, seconds: float) -> None:
    """Sleep until the time is over or the event is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()


async def unless(changed: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Wait for work, but give it up as soon as something else is wanted."""
    change = asyncio.create_task(changed.wait())
    try:
        await asyncio.wait((work, change), return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()
        if not work.done():
            work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
