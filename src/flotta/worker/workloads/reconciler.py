"""Bring the running pods to the desired state, with one task per workload.

Rules: docs/reference/device.md#from-desired-to-running, docs/reference/device.md#retries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from flotta.protocol.models import DataConfiguration
from flotta.protocol.reasons.device_programs import STATE_UNREADABLE
from flotta.protocol.reasons.reason import Code
from flotta.protocol.reasons.workloads import DISK_FAILURE, INTERNAL_ERROR, STARTING, STOPPING
from flotta.worker.errors import WorkloadError
from flotta.worker.image_pull import pull_image
from flotta.worker.workloads.container_starts import ContainerStarts
from flotta.worker.workloads.crash_back_off import CrashLoopBackOff
from flotta.worker.workloads.desired import Desired
from flotta.worker.workloads.disk_errors import describe_disk_error
from flotta.worker.workloads.evictions import Evictions
from flotta.worker.workloads.execution import Flush, Pull, StartError, StepExecution
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.interruptions import Interruptions
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.planning import Planner
from flotta.worker.workloads.retry import (
    DISK_RETRY,
    RetryDelay,
    run_unless_changed,
    sleep_unless_changed,
)
from flotta.worker.workloads.revival import Revival
from flotta.worker.workloads.steps import Step, may_take_long, plan_suspension
from flotta.worker.workloads.suspension import Suspension
from flotta.worker.workloads.suspension_switch import SuspensionSwitch
from flotta.worker.workloads.wiping import RemoveStored, WorkloadWipe, remove_nothing

log = logging.getLogger(__name__)

BUG_RETRY = 30.0  # seconds after an unexpected error


class Reconciler:
    """Owns the workloads of this device. Without a desired state it changes nothing."""

    def __init__(
        self,
        files: WorkloadFiles,
        observer: Observer,
        suspension: Suspension,
        flush: Flush,
        on_change: Callable[[], None],
        pull: Pull = pull_image,
        remove_stored: RemoveStored = remove_nothing,
    ) -> None:
        self._files = files
        self._observer = observer
        self._suspension = suspension
        self._execution = StepExecution(files, observer.crashes, flush, self._set_activity, pull)
        self._wipe = WorkloadWipe(files, self._execution.stop_pod, remove_stored)
        self._on_change = on_change
        self._desired: Desired | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._attempted: set[str] = set()
        self._delays: dict[str, RetryDelay] = {}
        starts = ContainerStarts(observer)
        self._interruptions = Interruptions(files)
        self._switch = SuspensionSwitch(
            suspension, self._interruptions, self._list_running, self._follow_suspension
        )
        self.crash_loops = CrashLoopBackOff(
            observer.crashes, starts, self._interrupt_unit, self.wake
        )
        self.revival = Revival(files, observer, starts, self.is_settled, self.crash_loops.list_held)
        self.evictions = Evictions(
            *(files, self._interruptions, self._execution.stop_pod),
            *(observer.is_active, self._handle_eviction),
        )
        self._planner = Planner(
            *(files, observer, suspension),
            *(self.crash_loops, self.evictions, self._interruptions),
        )
        self.failures: dict[str, WorkloadError] = {}
        self.activities: dict[str, Code] = {}
        self.first_pass = asyncio.Event()

    def apply(self, desired: Desired) -> None:
        """Take a new desired state."""
        before, installed = self._desired or Desired(), self._files.list_installed()
        self._desired = desired.follow(before, installed)
        self._wipe.cancel()
        for name in {*before.names, *desired.names}:
            if before.pods.get(name) != desired.pods.get(name):
                self.failures.pop(name, None)
                self._observer.forget(name)
                self.crash_loops.cancel(name)
                known = installed[name].digest if name in installed else before.digest_of(name)
                if desired.digest_of(name) != known:
                    self.evictions.forget(name)
                self._delays.pop(name, None)
                self._change_event(name).set()
        self.failures.update(desired.broken)
        self._attempted = desired.untouched
        self.first_pass.clear()
        self.wake()

    def is_settled(self, name: str) -> bool:
        """Tell whether a pod is left alone now: it is neither being started nor stopped."""
        busy = self.activities.get(name) in (STARTING, STOPPING)
        return not (busy or self._suspension.active or name in self._planner.resting)

    def suspend(self, *, stopped: bool) -> None:
        """Stop every pod and keep its files, until this is called again to start them."""
        self._switch.turn(stopped=stopped)

    def _follow_suspension(self) -> None:
        self._delays.clear()
        for event in self._changed.values():
            event.set()
        self.wake()

    def _list_running(self) -> list[str]:
        names = self._files.list_installed()
        # One that is being started may not have been seen yet.
        return [n for n in names if self.activities.get(n) == STARTING or self._runs(n)]

    def _runs(self, name: str) -> bool:
        return bool(plan_suspension(name, self._observer.read_current(name)))

    def wake(self) -> None:
        """Compare again: something may have changed."""
        self._wake.set()

    def list_leaving(self) -> dict[str, DataConfiguration | None]:
        """Return the workloads with files here that are no longer desired, and their data paths."""
        wanted = set(self._desired.names) if self._desired else set()
        installed = self._files.list_installed()
        return {name: record.data for name, record in installed.items() if name not in wanted}

    def failure_of(self, name: str) -> WorkloadError | None:
        """Return why a workload does not run as desired, None when it does."""
        return self.failures.get(name) or self.evictions.failures.get(name)

    async def _interrupt_unit(self, name: str) -> None:
        self._interruptions.note(name)
        await self._execution.stop_unit(name)

    def _handle_eviction(self) -> None:
        self.wake()
        self._on_change()

    def list_held(self) -> dict[str, DataConfiguration | None]:
        """Return the workloads that stay although they are not configured, and their data paths."""
        held = self._desired.held if self._desired else frozenset()
        installed = self._files.list_installed().items()
        return {name: record.data for name, record in installed if name in held}

    @property
    def desired_images(self) -> set[str]:
        """The images of all pods that are desired."""
        pods = self._desired.pods.values() if self._desired else ()
        return {image for pod in pods for image in pod.images}

    async def run(self) -> None:
        """Reconcile until cancelled."""
        if self._suspension.active:
            self.wake()
        try:
            await self.crash_loops.begin()
            while True:
                await self._wake.wait()
                self._wake.clear()
                self.crash_loops.stop_looping()
                self.revival.examine()
                await self._wipe.settle()
                self._try_to_start_tasks()
        finally:
            self._wipe.cancel()
            self.revival.cancel()
            self.evictions.cancel()
            await self._cancel_all()
            await self.crash_loops.release()

    async def wipe(self) -> None:
        """Stop and remove every workload, whatever state it is in.

        Raises WipeError with what must be gone and is not.
        """
        self._desired = None
        self._switch.drop()
        self.crash_loops.cancel()
        self.evictions.cancel()
        await self._cancel_all()
        self.failures.clear()
        self._delays.clear()
        self._interruptions.clear_all()
        await self._wipe.run()
        self.activities.clear()
        self._observer.watch_units({})

    def _try_to_start_tasks(self) -> None:
        try:
            self._start_tasks()
        except OSError as error:
            log.warning(
                "The workloads on disk cannot be compared: %s [%s]", error, STATE_UNREADABLE
            )
            self._wake_later(DISK_RETRY)

    @property
    def _wanted(self) -> Desired | None:
        """The desired state; while the pods are stopped, one that leaves none of them alone."""
        if not self._suspension.active:
            return self._desired
        return Desired(self._desired.pods if self._desired else {})

    def _start_tasks(self) -> None:
        wanted = self._wanted
        if wanted is None:
            return
        installed = self._files.list_installed()
        names = {*installed, *wanted.pods}
        self._observer.watch_units({name: self._files.unit_of(name) for name in names})
        for name in sorted(names):
            task = self._tasks.get(name)
            if task is None or task.done():
                self._tasks[name] = asyncio.create_task(
                    self._converge_guarded(name), name=f"workload {name}"
                )
        self._note_attempts()

    async def _converge_guarded(self, name: str) -> None:
        try:
            await self._converge(name)
        except OSError as error:
            self._record_failure(name, WorkloadError(DISK_FAILURE, describe_disk_error(error)))
            self._wake_later(DISK_RETRY)
        except Exception as error:  # the workload's outermost loop: others must continue
            log.exception("Workload %s failed unexpectedly [%s]", name, INTERNAL_ERROR)
            self._record_failure(
                name, WorkloadError(INTERNAL_ERROR, f"{type(error).__name__}: {error}")
            )
            self._wake_later(BUG_RETRY)
        finally:
            self.activities.pop(name, None)
            if self._change_event(name).is_set():
                self.wake()  # while a task ends, a change begins no other

    def _wake_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.wake)

    async def _converge(self, name: str) -> None:
        # Looked at each time: a pod that is being pulled may turn out broken in the next
        # configuration, and is not removed for that.
        while (wanted := self._wanted) is not None:
            changed = self._change_event(name)
            changed.clear()
            pod = wanted.pods.get(name)
            delay = self._delays.setdefault(name, RetryDelay())
            steps = self._planner.plan(name, wanted, delay)
            if not steps:
                self._note_health(name)
                if await self._execution.remove_stale_parts(pod, self._observer.digest_of(name)):
                    continue
                break
            if delay.seconds_left > 0:
                await sleep_unless_changed(changed, delay.seconds_left)
                await self._observer.refresh()
                continue
            try:
                await self._execute_steps(steps, changed)
                self._forget_failure(name)
                if self._suspension.active:
                    delay.prolong(failed_start=False)
                elif pod is None and not changed.is_set():
                    self._interruptions.clear(name)
                    await self._observer.refresh()  # another one of this name has not failed yet
                    break
            except WorkloadError as error:
                self._record_failure(name, error)
                await self._keep_running(name, wanted, changed)
                if error.permanent:
                    break
                delay.prolong(isinstance(error, StartError))
            await self._observer.refresh()
        self._note_attempts(name)

    async def _keep_running(self, name: str, wanted: Desired, changed: asyncio.Event) -> None:
        """Start the pod that is installed if it was stopped and its successor cannot be had."""
        try:
            await self._execute_steps(self._planner.plan_meanwhile(name, wanted), changed)
        except WorkloadError as error:
            log.warning("Workload %s as it was: %s [%s]", name, error.message, error.reason)

    def _note_health(self, name: str) -> None:
        """Forget the failed starts of a pod that runs after all, by systemd's own restart."""
        if self._observer.unit_state(name).active == "active":
            self._delays.pop(name, None)
            if name not in self._planner.resting:
                self._interruptions.clear(name)
            if isinstance(self.failures.get(name), StartError):
                del self.failures[name]
                self._on_change()

    async def _execute_steps(self, steps: tuple[Step, ...], changed: asyncio.Event) -> None:
        for step in steps:
            if changed.is_set():
                return
            work = asyncio.create_task(self._execution.execute_step(step))
            if may_take_long(step):
                await run_unless_changed(changed, work)
            else:
                await work
            if not changed.is_set():
                self._planner.note_done(step)

    def _set_activity(self, name: str, activity: Code) -> None:
        if self.activities.get(name) != activity:
            self.activities[name] = activity
            self._on_change()

    def _record_failure(self, name: str, error: WorkloadError) -> None:
        known = self.failures.get(name)
        if known is None or (known.reason, known.message) != (error.reason, error.message):
            log.warning("Workload %s: %s [%s]", name, error.message, error.reason)
        self.failures[name] = self._find_broken(name) or error
        self.activities.pop(name, None)
        self._note_attempts(name)
        self._on_change()

    def _forget_failure(self, name: str) -> None:
        """Forget a failure that is over; that there is no pod to build stays one."""
        self.failures.pop(name, None)
        if error := self._find_broken(name):
            self.failures[name] = error

    def _find_broken(self, name: str) -> WorkloadError | None:
        return self._desired.broken.get(name) if self._desired else None

    def _note_attempts(self, *names: str) -> None:
        self._attempted.update(names)
        if self._desired is not None and self._attempted >= set(self._desired.names):
            self.first_pass.set()

    def _change_event(self, name: str) -> asyncio.Event:
        return self._changed.setdefault(name, asyncio.Event())

    async def _cancel_all(self) -> None:
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
