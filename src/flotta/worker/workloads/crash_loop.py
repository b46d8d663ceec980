"""Containers that exit by themselves, and how often.

What is done about one that does so repeatedly is in `crash_back_off`
(docs/reference/device.md#crash-loops).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from flotta.worker.podman import Container
from flotta.worker.workloads.state import Crash

REPORT_WINDOW = 600.0  # seconds for which an exit is remembered and reported
LOOP_WINDOW = 60.0  # seconds in which exits count as a loop
LOOP_EXITS = 5  # exits of one container within that time
UNNAMED_TIME = 10.0  # seconds for which an exit waits until podman names its container
MAX_EXITS = 200  # exits that are remembered of one container


class ContainerName(NamedTuple):
    """A container by the names in the configuration; its id changes with each pod."""

    workload: str
    container: str


class Exit(NamedTuple):
    """How a container exited, when by the clock of `Crashes`, and why if the worker ended it.

    `ended_at` is in seconds since 1970, infinite where that is not known, `since` is when the run
    before it ended.
    """

    moment: float
    code: int
    cause: str = ""
    container_id: str = ""
    ended_at: float = math.inf
    since: float = 0.0


@dataclass
class Crashes:
    """Exits of containers by workload and container name, remembered for ten minutes."""

    clock: Callable[[], float] = time.monotonic
    _unnamed: list[tuple[str, Exit]] = field(default_factory=list)  # by container id
    _exits: dict[ContainerName, list[Exit]] = field(default_factory=dict)
    _names: dict[str, ContainerName] = field(default_factory=dict)  # by container id
    _forgiven: dict[ContainerName, float] = field(default_factory=dict)  # moment
    _muted: set[str] = field(default_factory=set)
    _causes: dict[ContainerName, str] = field(default_factory=dict)  # of the next exit

    def record_exit(self, container_id: str, exit_code: int, ended_at: float = math.inf) -> None:
        """Remember that a container exited."""
        end = Exit(self.clock(), exit_code, "", container_id, ended_at)
        self._unnamed.append((container_id, end))
        self._assign_exits()

    def expect_exit(self, name: ContainerName, cause: str) -> None:
        """Remember why the next exit of a container happens."""
        self._causes[name] = cause

    def learn_names(self, containers: Iterable[Container]) -> None:
        """Learn which container has which id."""
        self._names = {
            container.id: ContainerName(container.workload, container.name)
            for container in containers
            if not container.is_init  # the unit runs those, with a pause of its own
        }
        self._assign_exits()
        since = self.clock() - UNNAMED_TIME
        self._unnamed = [(id_, end) for id_, end in self._unnamed if end.moment > since]

    def forget(self, workload: str) -> None:
        """Forget all exits of a workload."""
        self._exits = {
            name: ends for name, ends in self._exits.items() if name.workload != workload
        }
        self._forget_causes(workload)
        self._forgiven = {
            name: moment for name, moment in self._forgiven.items() if name.workload != workload
        }
        self._forget_ids(workload)

    def list_crashes(self, workload: str) -> list[Crash]:
        """Return which containers of a workload exited within the last ten minutes."""
        return [
            Crash(name.container, ends[-1].code, len(ends), ends[-1].cause)
            for name, ends in self._exits_within(REPORT_WINDOW).items()
            if name.workload == workload
        ]

    def mute(self, workload: str) -> None:
        """Do not count exits from now on, because the pod is stopped on purpose."""
        self._muted.add(workload)
        self._forget_causes(workload)

    def unmute(self, workload: str) -> None:
        """Count again: what exits now is another pod."""
        self._forget_ids(workload)
        self._muted.discard(workload)

    def forgive(self, workload: str, container: str = "") -> None:
        """Stop counting exits so far towards a loop, of one container or of all of a workload.

        They are still reported.
        """
        for name in self._exits:
            if name.workload == workload and container in ("", name.container):
                self._forgiven[name] = self.clock()

    def list_crashed(self) -> list[ContainerName]:
        """Return the containers that crashed within the last ten minutes."""
        return list(self._exits_within(REPORT_WINDOW))

    def list_last_exits(self) -> dict[ContainerName, Exit]:
        """Return the last exit of each container that crashed within the last ten minutes."""
        return {name: ends[-1] for name, ends in self._exits_within(REPORT_WINDOW).items()}

    def list_looping(self) -> list[ContainerName]:
        """Return the containers that crash in a loop."""
        return [
            name
            for name, ends in self._exits_within(LOOP_WINDOW).items()
            if self._count_unforgiven(name, ends) >= LOOP_EXITS
        ]

    def _count_unforgiven(self, name: ContainerName, ends: list[Exit]) -> int:
        since = self._forgiven.get(name, 0.0)
        return sum(end.moment > since for end in ends)

    def _exits_within(self, seconds: float) -> dict[ContainerName, list[Exit]]:
        since = self.clock() - seconds
        recent = {
            name: [end for end in ends if end.moment > since] for name, ends in self._exits.items()
        }
        return {name: ends for name, ends in recent.items() if ends}

    def _forget_causes(self, workload: str) -> None:
        self._causes = {
            name: cause for name, cause in self._causes.items() if name.workload != workload
        }

    def _forget_ids(self, workload: str) -> None:
        self._names = {id_: name for id_, name in self._names.items() if name.workload != workload}

    def _assign_exits(self) -> None:
        for container_id, end in self._unnamed:
            name = self._names.get(container_id)
            if name is not None and name.workload not in self._muted:
                ends = self._exits.setdefault(name, [])
                before = [one.ended_at for one in ends[-1:] if one.container_id == container_id]
                cause = self._causes.pop(name, "")
                ends.append(end._replace(cause=cause, since=before[0] if before else 0.0))
                del ends[:-MAX_EXITS]
        self._unnamed = [(id_, end) for id_, end in self._unnamed if id_ not in self._names]
