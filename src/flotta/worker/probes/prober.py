"""Probes all containers that run, and ends those that a probe finds dead.

It follows what is observed: a container that podman started again is another run, with all counts
at zero. It knows nothing of workloads but their names.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from flotta.protocol.reasons.workloads import INTERNAL_ERROR
from flotta.worker import podman
from flotta.worker.podman import Container
from flotta.worker.probes.container_run import ContainerRun, find_run
from flotta.worker.probes.killing import end_process
from flotta.worker.probes.probe import ContainerProbes
from flotta.worker.probes.readiness import UNDECIDED, Readiness
from flotta.worker.probes.slots import Slots
from flotta.worker.probes.watch import Verdict, Watch

log = logging.getLogger(__name__)

Probes = Mapping[str, ContainerProbes]  # by container

NOT_ASKED = "its probes have not been asked yet"
RETRY = 10.0  # seconds until podman is asked again where a container is


class Pods(Protocol):
    """What the prober must know of the pods, and tells about them."""

    def read_probes(self, workload: str, digest: str) -> Probes:
        """Return the probes of the pod with this digest."""

    def may_end(self, run: ContainerRun) -> bool:
        """Tell whether a container may be ended now: its pod is not being replaced or stopped."""

    def will_end(self, run: ContainerRun, message: str) -> None:
        """Note that a container is being ended, and why."""

    def note_run(self, run: ContainerRun) -> None:
        """Note that this run of a container is being probed."""

    async def prepare_end(self, run: ContainerRun, grace: float) -> float:
        """Do what a container needs before its end; return the seconds that are left of `grace`."""


class Prober:
    """Has one task for each container that runs and has probes."""

    def __init__(self, pods: Pods, on_change: Callable[[], None]) -> None:
        self._pods = pods
        self._on_change = on_change
        self._wanted: dict[ContainerRun, ContainerProbes] = {}
        self._wake = asyncio.Event()
        self._slots = Slots()
        self._born = _now()
        self._watches: dict[ContainerRun, Watch] = {}
        self._tasks: dict[ContainerRun, asyncio.Task[None]] = {}

    def observe(self, containers: Sequence[Container]) -> None:
        """Take the containers as they were seen last.

        From now on those that are new are not ready, although nothing was asked yet.
        """
        self._wanted = self._find_wanted(containers)
        self._wake.set()

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._follow()
        finally:
            await self._stop(set(self._tasks))

    def readiness_of(self, workload: str) -> Readiness:
        """Return whether the containers of a workload with such probes are ready."""
        judged = [
            self._judge(run, probes)
            for run, probes in self._wanted.items()
            if run.workload == workload and probes.decides_readiness
        ]
        unready = next((one for one in judged if one.ready is False), None)
        if unready is not None:
            return unready
        known = bool(judged) and all(one.ready for one in judged)
        return Readiness(True) if known else UNDECIDED

    def _judge(self, run: ContainerRun, probes: ContainerProbes) -> Readiness:
        watch = self._watches.get(run)
        if watch is not None:
            ready, cause = watch.ready, watch.unready_cause
        else:
            ready, cause = (False, NOT_ASKED) if self._is_new(run) else (None, "")
        message = "" if ready else f'container "{run.container}" is not ready: {cause}'
        return Readiness(ready, message)

    def _is_new(self, run: ContainerRun) -> bool:
        """Tell whether a container began after the prober."""
        return run.age < _now() - self._born

    async def _follow(self) -> None:
        """Begin with what runs now, end with what does not."""
        wanted = self._wanted
        await self._stop(self._tasks.keys() - wanted.keys())
        new = wanted.keys() - self._tasks.keys()
        if not new:
            return
        places = await podman.place_containers(run.id for run in new)
        for run in new:
            if run.id in places:
                self._begin(run, wanted[run], places[run.id])
            else:  # it is gone, or podman did not answer
                asyncio.get_running_loop().call_later(RETRY, self._wake.set)
        self._on_change()

    def _find_wanted(self, containers: Sequence[Container]) -> dict[ContainerRun, ContainerProbes]:
        wanted = {}
        for seen in containers:
            if seen.state != "running":
                continue
            probes = self._pods.read_probes(seen.workload, seen.digest).get(seen.name)
            run = find_run(seen) if probes is not None else None
            if probes is not None and run is not None:
                wanted[run] = probes
        return wanted

    def _begin(self, run: ContainerRun, probes: ContainerProbes, place: podman.Placement) -> None:
        self._pods.note_run(run)
        is_new = self._is_new(run)
        watch = Watch(run, probes, place, self._slots, self._on_change, is_new=is_new)
        self._watches[run] = watch
        self._tasks[run] = asyncio.create_task(
            self._serve(watch), name=f"probes of {run.workload}/{run.container}"
        )

    async def _stop(self, runs: set[ContainerRun]) -> None:
        """End the tasks of these runs."""
        tasks = [self._tasks.pop(run) for run in list(runs)]
        for run in list(runs):
            self._watches.pop(run, None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, watch: Watch) -> None:
        """Ask a container until it has ended, and end it if that is decided."""
        run = watch.container
        while run.is_alive:
            try:
                if await self._decide(watch):
                    return
            except Exception:  # a bug of one probe must not end those of the others
                log.exception(
                    'Probing container "%s" of workload %s failed unexpectedly [%s]',
                    run.container,
                    run.workload,
                    INTERNAL_ERROR,
                )
            await asyncio.sleep(RETRY)

    async def _decide(self, watch: Watch) -> bool:
        """Ask until something is decided; return whether the container has ended."""
        verdict = await watch.run()
        if verdict is None:
            return True
        watch.set_ready(False)
        if not self._pods.may_end(watch.container):
            # Its pod is being replaced; should that come to nothing, it is asked again.
            return False
        await self._end(watch, verdict)
        return True

    async def _end(self, watch: Watch, verdict: Verdict) -> None:
        run, probes = watch.container, watch.probes
        self._pods.will_end(
            run, f'container "{run.container}" failed its {verdict.kind.value}: {verdict.cause}'
        )
        grace = probes.grace if verdict.probe.grace is None else verdict.probe.grace
        left = await self._pods.prepare_end(run, grace)
        await end_process(run, watch.place.stop_signal, left)


def _now() -> float:
    """Return the seconds since boot, also those of a suspended device: a container ages in it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
