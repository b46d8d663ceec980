"""Waiting between two attempts at a workload, and stopping early when its definition changes.

Numbers: docs/reference/device.md#retries.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from flotta.backoff import Backoff

DISK_RETRY = 10.0  # seconds after an error of the disk
WORKLOAD_RETRY = 2.0, 120.0  # seconds: the first delay, the longest


@dataclass
class RetryDelay:
    """How long to wait before the next attempt at a workload, and how often its start failed."""

    failed_starts: int = 0
    until: float = 0.0  # by the monotonic clock
    backoff: Backoff = field(default_factory=lambda: Backoff(*WORKLOAD_RETRY))

    @property
    def seconds_left(self) -> float:
        """Until the next attempt; negative when that is due."""
        return self.until - time.monotonic()

    def prolong(self, failed_start: bool) -> None:
        """Wait longer than the last time."""
        self.failed_starts += failed_start
        self.until = time.monotonic() + self.backoff.next()


async def sleep_unless_changed(changed: asyncio.Event, seconds: float) -> None:
    """Sleep until the time is over or the event is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()


async def run_unless_changed(changed: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Wait for work, but cancel it as soon as the event is set."""
    change = asyncio.create_task(changed.wait())
    try:
        await asyncio.wait((work, change), return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()
        if not work.done():
            work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
