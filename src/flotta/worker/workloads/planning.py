"""What the steps of a workload depend on, put together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from flotta.worker.podman import Container
from flotta.worker.workloads.crash_back_off import CrashLoopBackOff
from flotta.worker.workloads.desired import Desired
from flotta.worker.workloads.evictions import Evictions
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.interruptions import Interruptions
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.probe_ends import was_ended
from flotta.worker.workloads.reloads import Reloads
from flotta.worker.workloads.retry import RetryDelay
from flotta.worker.workloads.steps import (
    Current,
    StartPod,
    Step,
    WriteFiles,
    plan_kept,
    plan_removal,
    plan_steps,
    plan_suspension,
)
from flotta.worker.workloads.suspension import Suspension

EAGER_STARTS = 4  # failed starts after which the next one is left to systemd


@dataclass(frozen=True)
class Planner:
    """Plans the steps of one workload from what is on disk and what was seen last."""

    files: WorkloadFiles
    observer: Observer
    suspension: Suspension
    crash_loops: CrashLoopBackOff
    evictions: Evictions
    interruptions: Interruptions
    reloads: Reloads = field(default_factory=Reloads)

    def plan(self, name: str, wanted: Desired, delay: RetryDelay) -> tuple[Step, ...]:
        """Return the steps towards what is desired."""
        current = self._read_current(name)
        if self.suspension.active:
            return plan_suspension(name, current)
        if name in wanted.untouched:
            return self._plan_kept(name, wanted, current)
        pod = wanted.pods.get(name)
        if pod is None:
            return plan_removal(name, current, wanted.leaving_data)
        return plan_steps(
            name,
            pod,
            current,
            eager=0 < delay.failed_starts < EAGER_STARTS,
            crash_looping=name in self.resting,
            interrupted=self._is_interrupted(name),
        )

    def plan_meanwhile(self, name: str, wanted: Desired) -> tuple[Step, ...]:
        """Return the steps that let the installed pod run on while its successor cannot be had."""
        current, pod = self._read_current(name), wanted.pods.get(name)
        is_replaced = pod is None or (current.record and current.record.digest == pod.digest)
        if is_replaced or self.suspension.active:
            return ()
        return self._plan_kept(name, wanted, current)

    def note_done(self, step: Step) -> None:
        """Note that a step was carried out: what runs again is interrupted no more."""
        match step:
            case WriteFiles(pod, outdated=True):
                self.reloads.note(pod.name)
            case StartPod(name):
                self.interruptions.clear(name)

    def _plan_kept(self, name: str, wanted: Desired, current: Current) -> tuple[Step, ...]:
        known = current.record.data if current.record else None
        return plan_kept(
            name,
            current,
            wanted.broken_data.get(name, known),
            crash_looping=name in self.resting,
            interrupted=self._is_interrupted(name),
        )

    def _read_current(self, name: str) -> Current:
        record = self.files.list_installed().get(name)
        seen = self.observer.read_current(name)
        return replace(seen, unit=self.reloads.judge(name, seen.unit), record=record)

    @property
    def resting(self) -> set[str]:
        """The workloads that must not be started now."""
        return self.crash_loops.workloads | self.evictions.workloads

    def _is_interrupted(self, name: str) -> bool:
        """Tell whether a pod that seems to have finished has not."""
        return name in self.interruptions.workloads or any(
            one.workload == name and self._was_ended_by_probe(one)
            for one in self.observer.snapshot.containers
        )

    def _was_ended_by_probe(self, container: Container) -> bool:
        """Tell whether a container counts as failed although it exited with code 0."""
        paths = self.files.paths_of(container.workload)
        return container.state == "exited" and was_ended(
            paths.directory, container.name, container.id
        )
