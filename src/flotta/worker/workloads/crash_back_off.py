"""The back-off of containers that exit repeatedly (docs/reference/device.md#crash-loops).

podman restarts a container at once and forever, several times a second: on a small device that
takes a whole processor. When a container exited `LOOP_EXITS` times within a minute, it is kept from
running for a pause that grows each time. The other containers of its pod run on; if there are none,
the pod is stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from flotta.backoff import Backoff
from flotta.protocol.reasons.workloads import CRASH_LOOP_BACK_OFF
from flotta.worker.workloads.crash_loop import ContainerName, Crashes

log = logging.getLogger(__name__)

CRASH_LOOP_RETRY = 10.0, 300.0  # seconds of a pause: the first one, the longest


class Starts(Protocol):
    """What holds a single container and starts it again."""

    async def hold(self, name: ContainerName) -> bool:
        """Keep a container from being started again; return whether that is possible."""

    async def resume(self, name: ContainerName) -> None:
        """Let a container start, and start it if it does not run."""

    async def open_gates(self) -> None:
        """Let every container start again that an earlier worker held; start none now."""

    async def start_pod(self, workload: str) -> None:
        """Let systemd start a pod that was stopped as a whole."""


class CrashLoopBackOff:
    """Pauses containers that crash in a loop, with one task for each."""

    def __init__(
        self,
        crashes: Crashes,
        starts: Starts,
        stop: Callable[[str], Awaitable[None]],
        on_end: Callable[[], None],
    ) -> None:
        self._crashes = crashes
        self._starts = starts
        self._stop = stop
        self._on_end = on_end
        self._tasks: dict[ContainerName, asyncio.Task[None]] = {}
        self._backoffs: dict[ContainerName, Backoff] = {}
        self._stopped: set[str] = set()

    @property
    def workloads(self) -> set[str]:
        """Those whose pods are stopped and must not be started now."""
        return set(self._stopped)

    def list_held(self) -> set[ContainerName]:
        """Return the containers that are kept from running."""
        return set(self._tasks)

    def stop_looping(self) -> None:
        """Pause what crashes in a loop; without recent exits the pause is short again."""
        crashed, looping = self._crashes.list_crashed(), self._crashes.list_looping()
        for name in self._backoffs.keys() - set(crashed) - self._tasks.keys():
            del self._backoffs[name]
        for name in set(looping) - self._tasks.keys():
            if name.workload not in self._stopped:
                self._tasks[name] = asyncio.create_task(self._pause(name))

    def cancel(self, *workloads: str) -> None:
        """End the pauses of these workloads, or of all if none is named."""
        for name in list(self._tasks):
            if not workloads or name.workload in workloads:
                self._tasks.pop(name).cancel()
        self._stopped.difference_update(workloads or set(self._stopped))

    async def begin(self) -> None:
        """End the pauses of an earlier worker that was killed."""
        await self._starts.open_gates()

    async def release(self) -> None:
        """End all pauses and let what is paused run: it must not wait until the worker is back."""
        tasks, stopped = list(self._tasks.values()), self.workloads
        held = [name for name in self._tasks if name.workload not in stopped]
        self.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(
            *(self._starts.resume(name) for name in held),
            *(self._starts.start_pod(workload) for workload in stopped),
        )

    async def _pause(self, name: ContainerName) -> None:
        backoff = self._backoffs.setdefault(name, Backoff(*CRASH_LOOP_RETRY, jitter=0.0))
        seconds = backoff.next()
        held = await self._starts.hold(name)
        log.warning(
            'Workload %s: container "%s" crashes in a loop; %s for %.0f s [%s]',
            *(name.workload, name.container),
            "it is held" if held else "its pod is stopped",
            *(seconds, CRASH_LOOP_BACK_OFF),
        )
        if not held:
            self._stopped.add(name.workload)
            await self._stop(name.workload)
        await asyncio.sleep(seconds)
        self._tasks.pop(name, None)
        if held:
            self._crashes.forgive(*name)
            await self._starts.resume(name)
        else:
            self._crashes.forgive(name.workload)
            self._stopped.discard(name.workload)
        self._on_end()
