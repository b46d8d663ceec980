"""The end of registration and heartbeats, for instance before a wipe."""

from __future__ import annotations

import asyncio
import time

import pytest

from flotta.worker.reporting import CANCEL_AGAIN, CANCEL_ATTEMPTS, Reporting

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
LIMIT = 10 * CANCEL_AGAIN * CANCEL_ATTEMPTS  # seconds


class Calls:
    """Swallows cancellations, as a call over gRPC does that fails at that moment."""

    def __init__(self, swallowed: float) -> None:
        self.running = False
        self._swallowed = swallowed

    async def run(self) -> None:
        self.running = True
        for _ in range(20):  # a test that fails must end
            if not self.running:
                return
            try:
                await asyncio.sleep(LIMIT)
            except asyncio.CancelledError:
                self._swallowed -= 1
                self.running = self._swallowed >= 0


@pytest.mark.parametrize("swallowed", [0, 1, 2])
async def test_heartbeats_end_although_a_call_swallows_the_cancellation(swallowed: int) -> None:
    heartbeats = Calls(swallowed)
    reports = Reporting(Calls(0), heartbeats)  # type: ignore[arg-type]
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
        reports.start_heartbeats(tasks)
        await asyncio.sleep(0)
        await reports.stop()
    assert not heartbeats.running


async def test_a_registration_that_swallows_its_cancellation_does_not_go_on_after_a_stop() -> None:
    registration, heartbeats = Calls(2), Calls(0)
    reports = Reporting(registration, heartbeats)  # type: ignore[arg-type]
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
        reports.start_registration(tasks)
        await asyncio.sleep(0)
        reports.start_heartbeats(tasks)
        await asyncio.sleep(0)
        assert registration.running
        await reports.stop()
        assert not registration.running
    assert not heartbeats.running


async def test_a_wipe_does_not_wait_without_end_for_heartbeats() -> None:
    heartbeats = Calls(float("inf"))
    reports = Reporting(Calls(0), heartbeats)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        reports.start_heartbeats(tasks)
        await asyncio.sleep(0)
        async with asyncio.timeout(LIMIT):
            await reports.stop()
        heartbeats.running = False
