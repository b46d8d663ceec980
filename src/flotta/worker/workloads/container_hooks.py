"""Hooks of a container that starts or ends alone, while its pod runs on.

The unit runs those of the whole pod. podman starts a container again that has ended, and a probe
ends one: both are seen here only while the worker runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from flotta.protocol.reasons.workloads import INTERNAL_ERROR, POST_START_HOOK_FAILED
from flotta.worker import podman
from flotta.worker.features import AgentContext
from flotta.worker.pod_unit.hooks import HOOK_TIMEOUT, Kind, grace_left, run_hooks
from flotta.worker.pod_unit.plan import ProcessPlan, read_plan
from flotta.worker.podman import Container
from flotta.worker.probes.container_run import ContainerRun, find_run
from flotta.worker.probes.killing import end_process
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import is_name

log = logging.getLogger(__name__)

# Hooks run outside the worker's unit: its restrictions are not those of a container.
LAUNCHER = ("systemd-run", "--wait", "--pipe", "--quiet", "--collect")


def _launch(description: str, seconds: float) -> tuple[str, ...]:
    """Return what runs a program as a unit that ends in time.

    systemd logs the description. Without one it is the command line, which may contain secrets.
    """
    words = f"--description={description}", f"--property=RuntimeMaxSec={seconds}"
    return (*LAUNCHER, *words, "--")


@dataclass
class ContainerHooks:
    """Follows the containers that run, and runs their hooks."""

    files: WorkloadFiles
    agent: AgentContext
    _processes: dict[str, int] = field(default_factory=dict)  # by container id
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def observe(self, containers: Sequence[Container]) -> None:
        """Run the postStart hook of each container that was started again.

        One that is seen for the first time belongs to a pod whose unit has run the hooks.
        """
        running = {seen.id: seen for seen in containers if seen.pid and not seen.is_init}
        for seen in running.values():
            if self._processes.get(seen.id, seen.pid) != seen.pid:
                task = asyncio.create_task(self._start(seen))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        kept = {seen.id for seen in containers}
        self._processes = {
            id_: process for id_, process in self._processes.items() if id_ in kept
        } | {seen.id: seen.pid for seen in running.values()}

    async def prepare_end(self, run: ContainerRun, grace: float) -> float:
        """Run the preStop hook of a container; return the seconds that are left for it to end."""
        began = time.monotonic()
        plan = self._read_plan(run.workload)
        if plan is None or all(hook.container != run.container for hook in plan.pre_stop):
            return grace
        for sentence in await self._run(plan, "preStop", run.container, grace):
            log.info("Workload %s: %s", run.workload, sentence)
        return grace_left(grace, began)

    async def _start(self, seen: Container) -> None:
        plan = self._read_plan(seen.workload)
        if plan is None:
            return
        for sentence in await self._run(plan, "postStart", seen.name, HOOK_TIMEOUT):
            self.agent.add_warning(POST_START_HOOK_FAILED, sentence, workload=seen.workload)
            run = find_run(seen)
            if run is not None:
                places = await podman.place_containers([seen.id])
                place = places.get(seen.id, podman.Placement())
                await end_process(run, place.stop_signal, plan.grace)

    async def _run(
        self, plan: ProcessPlan, kind: Kind, container: str, seconds: float
    ) -> list[str]:
        try:
            launcher = _launch(f"{kind} of {plan.workload}/{container}", seconds)
            return await run_hooks(plan, kind, seconds, (container,), launcher)
        except Exception:  # a bug of one hook must not end what waits for it
            log.exception("A hook of workload %s failed [%s]", plan.workload, INTERNAL_ERROR)
            return []

    def _read_plan(self, workload: str) -> ProcessPlan | None:
        """Return the plan by which a pod was started; that of its successor may be there too."""
        if not is_name(workload):
            return None
        try:
            return read_plan(self.files.paths_of(workload).started_plan)
        except (OSError, ValueError):
            return None
