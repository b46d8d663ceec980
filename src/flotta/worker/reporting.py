"""Registration until there is a configuration, heartbeats from then on.

A device whose configuration is withheld gets it once a heartbeat shows that it would keep what the
device runs, so heartbeats begin without one (docs/reference/control-plane.md#adoption).
"""

from __future__ import annotations

import asyncio

from flotta.unforeseen import run_again
from flotta.worker.heartbeat import Heartbeats
from flotta.worker.registration import Registration

UNCONFIGURED_DELAY = 10.0  # seconds from the registration to heartbeats without a configuration


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
        self._stop_registration()
        self._run_heartbeats(tasks)

    async def stop(self) -> None:
        """End both; on return no heartbeat is in flight."""
        self._stop_registration()
        if self._heartbeat_task is not None:
            self._heartbeat_task.cancel()
            await asyncio.wait((self._heartbeat_task,))
            self._heartbeat_task = None

    def _stop_registration(self) -> None:
        if self._registration_task is not None:
            self._registration_task.cancel()
            self._registration_task = None

    async def _register(self, tasks: asyncio.TaskGroup) -> None:
        await run_again(self._registration.run)
        await asyncio.sleep(UNCONFIGURED_DELAY)
        self._run_heartbeats(tasks)

    def _run_heartbeats(self, tasks: asyncio.TaskGroup) -> None:
        if self._heartbeat_task is None or self._heartbeat_task.done():
            self._heartbeat_task = tasks.create_task(run_again(self._heartbeats.run))
