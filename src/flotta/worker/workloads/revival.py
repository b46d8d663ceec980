"""Starts containers that have ended, should run by their policy, and were not started by podman.

That happens when the worker was stopped while it held a container, when a probe ended one that then
exited with code 0 under the policy OnFailure, and when podman was killed in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from flotta.backoff import Backoff
from flotta.protocol.reasons.workloads import CONTAINER_RESTARTED
from flotta.worker.podman import Container
from flotta.worker.workloads.crash_loop import ContainerName
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.installed_manifests import read_spec
from flotta.worker.workloads.manifest import is_name
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.probe_ends import was_ended

log = logging.getLogger(__name__)

PATIENCE = 10.0, 300.0  # seconds that podman has for its own restart at first, and at most


class Starts(Protocol):
    """What starts a container."""

    async def resume(self, name: ContainerName) -> None:
        """Let a container start, and start it if it does not run."""


class Revival:
    """Has one task for each container that has ended and should not have.

    `is_settled` tells whether a pod is left alone at the moment, `held` which containers are kept
    from running on purpose.
    """

    def __init__(
        self,
        files: WorkloadFiles,
        observer: Observer,
        starts: Starts,
        is_settled: Callable[[str], bool],
        held: Callable[[], set[ContainerName]],
    ) -> None:
        self._files = files
        self._observer = observer
        self._starts = starts
        self._is_settled = is_settled
        self._held = held
        self._tasks: dict[ContainerName, asyncio.Task[None]] = {}

    def examine(self) -> None:
        """Look at what was seen last."""
        for name in self._find_dead():
            task = self._tasks.get(name)
            if task is None or task.done():
                self._tasks[name] = asyncio.create_task(self._revive(name), name=f"revive {name}")

    def cancel(self) -> None:
        """Leave everything as it is."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _revive(self, name: ContainerName) -> None:
        backoff = Backoff(*PATIENCE, jitter=0.0)
        while True:
            await asyncio.sleep(backoff.next())
            await self._observer.refresh()
            if name not in self._find_dead():
                return
            log.warning(
                'Workload %s: container "%s" has ended and is started again [%s]',
                name.workload,
                name.container,
                CONTAINER_RESTARTED,
            )
            await self._starts.resume(name)

    def _find_dead(self) -> set[ContainerName]:
        dead = {
            ContainerName(container.workload, container.name)
            for container in self._observer.snapshot.containers
            if container.state in ("exited", "stopped") and self._should_run(container)
        }
        return dead - self._held()

    def _should_run(self, container: Container) -> bool:
        name = container.workload
        if self._observer.unit_state(name).active != "active" or not self._is_settled(name):
            return False
        policy, regular = self._read_policy(name)
        if container.name not in regular:
            return False
        return policy == "Always" or (policy == "OnFailure" and self._has_failed(container))

    def _has_failed(self, container: Container) -> bool:
        """Tell whether a container counts as failed: by its exit code, or because a probe did."""
        directory = self._files.paths_of(container.workload).directory
        return container.exit_code != 0 or was_ended(directory, container.name, container.id)

    def _read_policy(self, name: str) -> tuple[str, frozenset[str]]:
        """Return restart policy and regular containers of the pod on disk."""
        spec = read_spec(self._files.paths_of(name).manifest) if is_name(name) else {}
        try:
            names = frozenset(container["name"] for container in spec.get("containers", ()))
        except (KeyError, TypeError):
            return "", frozenset()
        return spec.get("restartPolicy") or "Always", names
