"""Containers that end by themselves: a memory of how often, and a rest for pods where one does it again and again.

podman restarts a container at once and for ever, several times a second: on a small device a whole processor. When one
ended ``TOO_OFTEN`` times within a minute, its pod is stopped and started again later, later each time. (A single
container cannot be stopped reliably between two crashes, and must not be started from the worker's own control group.)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from ..podman import Container
from .phases import Crash

log = logging.getLogger(__name__)

MEMORY = 600.0
LATELY = 60.0
TOO_OFTEN = 5
FIRST_REST, LONGEST_REST = 10.0, 300.0
Key = tuple[str, str]
Stop = Callable[[str], Awaitable[None]]


@dataclass
class Crashes:
    """Exits of containers by workload and container name, remembered for ten minutes."""

    clock: Callable[[], float] = time.monotonic
    _unnamed: list[tuple[float, str, int]] = field(default_factory=list)
    _exits: dict[Key, list[tuple[float, int]]] = field(default_factory=dict)
    _names: dict[str, Key] = field(default_factory=dict)
    _forgiven: dict[str, float] = field(default_factory=dict)
    _muted: set[str] = field(default_factory=set)

    def note(self, container_id: str, exit_code: int) -> None:
        """Remember that a container ended."""
        self._unnamed.append((self.clock(), container_id, exit_code))
        self._settle()

    def name(self, containers: Iterable[Container]) -> None:
        """Learn which container has which id."""
        self._names = {c.id: (c.workload, c.name) for c in containers}
        self._settle()
        since = self.clock() - 10
        self._unnamed = [one for one in self._unnamed if one[0] > since]

    def forget(self, workload: str) -> None:
        """Start over: the ends of containers that are stopped on purpose are no crashes."""
        self._exits = {key: ends for key, ends in self._exits.items() if key[0] != workload}
        self._forgiven.pop(workload, None)
        self._names = {one: key for one, key in self._names.items() if key[0] != workload}

    def of(self, workload: str) -> list[Crash]:
        """Return what crashed in a workload lately."""
        return [
            Crash(key[1], ends[-1][1], len(ends))
            for key, ends in self._recent(MEMORY).items()
            if key[0] == workload
        ]

    def mute(self, workload: str) -> None:
        """Do not count ends from now on, because the pod is stopped on purpose."""
        self._muted.add(workload)

    def unmute(self, workload: str) -> None:
        """Count again: what ends now is another pod."""
        self._names = {one: key for one, key in self._names.items() if key[0] != workload}
        self._muted.discard(workload)

    def lately_forgiven(self, workload: str) -> None:
        """Count anew what is too often, but keep what is known for reports."""
        self._forgiven[workload] = self.clock()

    def recent(self) -> list[Key]:
        """Return the containers that crashed within the last ten minutes."""
        return list(self._recent(MEMORY))

    def too_often(self) -> list[Key]:
        """Return the containers that need a rest."""
        return [
            key
            for key, ends in self._recent(LATELY).items()
            if self._weight(key, ends) >= TOO_OFTEN
        ]

    def _weight(self, key: Key, ends: list[tuple[float, int]]) -> int:
        since = self._forgiven.get(key[0], 0.0)
        return sum(moment > since for moment, _ in ends)

    def _recent(self, seconds: float) -> dict[Key, list[tuple[float, int]]]:
        since = self.clock() - seconds
        recent = {key: [e for e in ends if e[0] > since] for key, ends in self._exits.items()}
        return {key: ends for key, ends in recent.items() if ends}

    def _settle(self) -> None:
        for moment, container_id, code in self._unnamed:
            key = self._names.get(container_id)
            if key is not None and key[0] not in self._muted:
                ends = self._exits.setdefault(key, [])
                ends.append((moment, code))
                del ends[:-200]
        self._unnamed = [one for one in self._unnamed if one[1] not in self._names]


class Rests:
    """Stops pods that crash too often, one task a pod; ``names`` are those that must not be started meanwhile."""

    def __init__(self, crashes: Crashes, stop: Stop, on_end: Callable[[], None]) -> None:
        self._crashes = crashes
        self._stop = stop
        self._on_end = on_end
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._count: dict[str, int] = {}

    @property
    def names(self) -> set[str]:
        return set(self._tasks)

    def look(self) -> None:
        """Begin the rests that are due, and forget how often a pod rested that has been calm since."""
        due = {workload for workload, _ in self._crashes.too_often()}
        calm = self._count.keys() - {w for w, _ in self._crashes.recent()} - self._tasks.keys()
        for name in calm:
            del self._count[name]
        for name in due - self._tasks.keys():
            self._count[name] = self._count.get(name, 0) + 1
            self._tasks[name] = asyncio.create_task(self._rest(name, self._count[name]))

    def end(self, *names: str) -> None:
        """End the rests of these pods, of all without a name."""
        for name in names or list(self._tasks):
            task = self._tasks.pop(name, None)
            if task is not None:
                task.cancel()

    async def _rest(self, name: str, times: int) -> None:
        seconds = min(LONGEST_REST, FIRST_REST * 2.0 ** (times - 1))
        log.warning("Workload %s crashes again and again; it rests for %.0f s", name, seconds)
        await self._stop(name)
        await asyncio.sleep(seconds)
        self._crashes.lately_forgiven(name)
        self._tasks.pop(name, None)
        self._on_end()
