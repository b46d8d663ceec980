"""Registration until there is a configuration, heartbeats from then on.

A device whose configuration is withheld gets it once a heartbeat shows that it would keep what the
device runs, so heartbeats begin without one (docs/reference/control-plane.md#adoption).
"""

from __future__ import annotations

import asyncio
import logging

from flotta.protocol.reasons.workloads import INTERNAL_ERROR
from flotta.unforeseen import run_again
from flotta.worker.heartbeat import Heartbeats
from flotta.worker.registration import Registration

log = logging.getLogger(__name__)

UNCONFIGURED_DELAY = 10.0  # seconds from the registration to heartbeats without a configuration
CANCEL_AGAIN = 1.0  # seconds until a task that has not ended is cancelled again
CANCEL_ATTEMPTS = 10


class Reporting:
    """Runs registration or heartbeats as a task, at most one of each; `tasks` outlives both."""

    def __init__(self, registration: Registration, heartbeats: Heartbeats) -> None:
        self._registration = registration
        self._heartbeats = heartbeats
        self._registration_task: asyncio.Task[None] | None = None
        self._heartbeat_task: asyncio.Task[None] | None = None

    def start_registration(self, tasks: asyncio.TaskGroup) -> None:
        """Register, unless a registration is in progress."""
        if self._registration_task is None or self._registration_task.done():
            self._registration_task = tasks.create_task(self._register(tasks))

    def start_heartbeats(self, tasks: asyncio.TaskGroup) -> None:
        """Send heartbeats: a device that has a configuration is registered."""
        if self._registration_task is not None:
            self._registration_task.cancel()
        self._run_heartbeats(tasks)

    async def stop(self) -> None:
        """End both; on return no heartbeat is in flight."""
        running = {task for task in (self._registration_task, self._heartbeat_task) if task}
        self._registration_task = self._heartbeat_task = None
        # A call over gRPC that fails at that moment swallows the cancellation, and what follows a
        # stop, a wipe, must not wait for that without end.
        for _ in range(CANCEL_ATTEMPTS):
            if not running:
                return
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN)
        log.error("Registration or heartbeats do not end; left alone [%s]", INTERNAL_ERROR)

    async def _register(self, tasks: asyncio.TaskGroup) -> None:
        await run_again(self._registration.run)
        await asyncio.sleep(UNCONFIGURED_DELAY)
        self._run_heartbeats(tasks)

    def _run_heartbeats(self, tasks: asyncio.TaskGroup) -> None:
        if self._heartbeat_task is None or self._heartbeat_task.done():
            self._heartbeat_task = tasks.create_task(run_again(self._heartbeats.run))
