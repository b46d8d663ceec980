"""Probes one run of a container, until it ends or a probe says that it is to be ended.

Rules of Kubernetes: the startup probe keeps the other two waiting until it passes once; a container
is not ready before its readiness probe passes; after a liveness or startup probe has failed for
good, it is not asked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from flotta.protocol.reasons.device_programs import PROBE_ERRORED
from flotta.worker.podman import Placement
from flotta.worker.probes.attempt import ask
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.probes.probe import (
    ContainerProbes,
    Probe,
    ProbeFailed,
    ProbeImpossible,
    ProbeKind,
)
from flotta.worker.probes.schedule import Schedule
from flotta.worker.probes.slots import Slots
from flotta.worker.probes.thresholds import Tally

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """That a container is to be ended: by which probe, and why."""

    kind: ProbeKind
    probe: Probe
    cause: str


class Watch:
    """Asks one run of a container; `ready` None means that nothing is known about it yet."""

    def __init__(
        self,
        run: ContainerRun,
        probes: ContainerProbes,
        place: Placement,
        slots: Slots,
        on_change: Callable[[], None],
        *,
        is_new: bool,
    ) -> None:
        self.container = run
        self.probes = probes
        self.place = place
        self._slots = slots
        self._on_change = on_change
        self._is_new = is_new
        # What ran before the worker may have been ready for days.
        self.ready: bool | None = False if is_new else None
        self.causes: dict[ProbeKind, str] = {}  # of the last failure of each probe
        self._is_started = False
        self._complained: dict[ProbeKind, str] = {}

    async def run(self) -> Verdict | None:
        """Ask until something is decided: the verdict, None when the container has ended."""
        self._is_started = self.probes.startup is None
        if self.probes.startup is not None:
            verdict = await self._wait_started(self.probes.startup)
            if verdict is not None or not self.container.is_alive:
                return verdict
        if self.probes.readiness is None:
            self.set_ready(True)
            return await self._watch_liveness()
        readiness = asyncio.create_task(self._watch_readiness(self.probes.readiness))
        try:
            verdict = await self._watch_liveness()
            if self.probes.liveness is None:
                await readiness
            return verdict
        finally:
            readiness.cancel()

    def set_ready(self, ready: bool) -> None:
        """Note whether the container is ready, and tell that it changed."""
        if ready != self.ready:
            self.ready = ready
            self._on_change()

    @property
    def unready_cause(self) -> str:
        """Why the container is not ready: which probe, and its last failure if it has one."""
        kind = ProbeKind.READINESS if self._is_started else ProbeKind.STARTUP
        cause = self.causes.get(kind)
        return f"{kind.value}: {cause}" if cause else f"its {kind.value} has not passed yet"

    async def _wait_started(self, probe: Probe) -> Verdict | None:
        kind, tally, schedule = ProbeKind.STARTUP, Tally(probe), self._schedule(probe)
        while (passed := await self._next_answer(kind, probe, schedule)) is not None:
            decided = tally.count(passed=passed)
            if decided:
                self._is_started = True
                return None
            self.set_ready(False)
            if decided is False:
                return Verdict(kind, probe, self.causes[kind])
        return None

    async def _watch_liveness(self) -> Verdict | None:
        probe, kind = self.probes.liveness, ProbeKind.LIVENESS
        if probe is None:
            return None
        tally, schedule = Tally(probe), self._schedule(probe)
        while (passed := await self._next_answer(kind, probe, schedule)) is not None:
            if tally.count(passed=passed) is False:
                return Verdict(kind, probe, self.causes[kind])
        return None

    async def _watch_readiness(self, probe: Probe) -> None:
        kind, tally, schedule = ProbeKind.READINESS, Tally(probe), self._schedule(probe)
        while (passed := await self._next_answer(kind, probe, schedule)) is not None:
            decided = tally.count(passed=passed)
            if decided is not None:
                self.set_ready(decided)

    def _schedule(self, probe: Probe) -> Schedule:
        return Schedule(probe, self.container.age, is_new=self._is_new)

    async def _next_answer(self, kind: ProbeKind, probe: Probe, schedule: Schedule) -> bool | None:
        """Return whether the container passes, None when it has ended."""
        while True:
            await schedule.wait()
            async with self._slots.take(probe.action):
                try:
                    await ask(probe, self.container.id, self.place)
                except ProbeImpossible as error:
                    self._complain(kind, str(error))
                    passed = None
                except ProbeFailed as error:
                    passed, cause = False, str(error)
                except Exception as error:  # a bug must not end the probes of a container
                    self._complain(kind, f"{type(error).__name__}: {error}")
                    passed = None
                else:
                    passed, cause = True, ""
            # What was asked of a container that has ended meanwhile says nothing.
            if not self.container.is_alive:
                return None
            if passed is not None:
                self._note(kind, cause)
                return passed

    def _note(self, kind: ProbeKind, cause: str) -> None:
        if cause:
            self.causes[kind] = cause
        else:
            self.causes.pop(kind, None)

    def _complain(self, kind: ProbeKind, problem: str) -> None:
        """Log once what keeps the worker from asking at all."""
        if problem != self._complained.get(kind):
            run = self.container
            log.warning(
                'Workload %s: the %s of container "%s" cannot be carried out: %s [%s]',
                run.workload,
                kind.value,
                run.container,
                problem,
                PROBE_ERRORED,
            )
        self._complained[kind] = problem
