"""Holding a single container of a pod, and starting it again, while the others run on."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from flotta.protocol.reasons.workloads import DISK_FAILURE
from flotta.worker import podman, systemd
from flotta.worker.podman import Container
from flotta.worker.start_gate import close_gate, open_gate
from flotta.worker.workloads.crash_loop import ContainerName
from flotta.worker.workloads.observer import Observer

log = logging.getLogger(__name__)


class ContainerStarts:
    """Holds and starts containers that the observer has seen."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def hold(self, name: ContainerName) -> bool:
        """Keep a container from being started again; return whether that is possible.

        It is not for the only container that runs: when it stops, its pod ends.
        """
        container = self._find(name)
        others = any(
            other.state == "running" and other.name != name.container
            for other in self._observer.containers_of(name.workload)
        )
        if container is None or not others:
            return False
        bundle = await podman.find_bundle(container.id)
        return bundle is not None and await asyncio.to_thread(close_gate, bundle)

    async def resume(self, name: ContainerName) -> None:
        """Let a container start, and start it if it does not run."""
        container = self._find(name)
        bundle = await podman.find_bundle(container.id) if container else None
        if container is None or bundle is None:
            return
        await _open_gate(bundle, name.workload)
        await self._observer.refresh()
        container = self._find(name)
        if container is not None and container.state != "running":
            await podman.start_container(container.id)
            await self._observer.refresh()

    async def open_gates(self) -> None:
        """Let every container start again that an earlier worker held; start none now."""
        workloads = {one.id: one.workload for one in self._observer.snapshot.containers}
        bundles = await podman.find_bundles(workloads) if workloads else {}
        for container_id, bundle in bundles.items():
            await _open_gate(bundle, workloads[container_id])

    async def start_pod(self, workload: str) -> None:
        """Let systemd start a pod that was stopped as a whole."""
        if unit := self._observer.unit_of(workload):
            await systemd.start_later(unit)

    def _find(self, name: ContainerName) -> Container | None:
        found = self._observer.containers_of(name.workload)
        return next((one for one in found if one.name == name.container), None)


async def _open_gate(bundle: Path, workload: str) -> None:
    try:
        await asyncio.to_thread(open_gate, bundle)
    except OSError as error:
        log.warning("Workload %s: %s [%s]", workload, error, DISK_FAILURE)
