"""Observe what runs, with as few processes as possible (docs/reference/device.md#observation).

Two directories show when something happened: conmon writes the exit code of each container that
exits, systemd keeps a link for each unit that runs. Only then are systemctl and podman asked, once
for all workloads; and every five minutes, because a hint can be missed. When the kernel had to drop
events, everything that is watched is examined again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from flotta.worker import journal, podman, systemd
from flotta.worker.causes import explain_run
from flotta.worker.podman import Container
from flotta.worker.systemd import UnitState
from flotta.worker.workloads.crash_logs import CrashLogs
from flotta.worker.workloads.crash_loop import Crashes
from flotta.worker.workloads.directory_watch import DirectoryWatch
from flotta.worker.workloads.exit_files import ExitFile, ExitFiles
from flotta.worker.workloads.steps import Current

SETTLE = 0.3  # seconds after a hint: a pod that starts or stops causes several at once
SECOND_LOOK = 2.0  # seconds after a look: podman changes states a little after the hint
BUSY_GAP = 5.0  # seconds after a hint while hints keep coming: each look starts two processes
STARTING_LOOK = 1.0  # seconds between looks while a unit starts
INITIALISING_LOOK = 30.0  # seconds between looks while init containers run, for hours perhaps
CALM_LOOKS = 3  # hints in a row that are followed up at once
BLIND_LOOK = 15.0  # seconds between looks where inotify is not available
FULL_CHECK = 300.0  # seconds without a hint until everything is examined: one can be missed


@dataclass
class Snapshot:
    """What was seen last; `known` is False until podman has answered once."""

    units: dict[str, UnitState] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    known: bool = False


class _Explanation(NamedTuple):
    """Why a unit failed, and in which of its runs."""

    invocation: str = ""
    cause: str = ""


class Observer:
    """Keeps a snapshot of units and containers and calls `on_change` after each new one."""

    def __init__(
        self, exits_dir: Path, unit_changes_dir: Path, on_change: Callable[[], None]
    ) -> None:
        self._directories = (exits_dir, unit_changes_dir)
        self._exit_files = ExitFiles(exits_dir)
        self._on_change = on_change
        self._units: dict[str, str] = {}  # by workload
        self._hint = asyncio.Event()
        self._lock = asyncio.Lock()
        self.crashes = Crashes()
        self.logs = CrashLogs()
        self._explanations: dict[str, _Explanation] = {}  # by unit
        self._looks = 0
        self._is_blind = False
        self.snapshot = Snapshot()

    def watch_units(self, units: dict[str, str]) -> None:
        """Set which unit each workload has; only these are observed."""
        self._units = dict(units)

    async def run(self) -> None:
        """Refresh after each hint and periodically, until cancelled."""
        watch = DirectoryWatch(self._handle_entry, self._handle_overflow)
        self._exit_files.skip_present()
        try:
            while True:
                watch.try_again()
                for directory in self._directories:
                    watch.add(directory)
                self._is_blind = watch.is_blind
                await self._wait_for_hint()
                await self.refresh()
        finally:
            watch.close()

    async def refresh(self) -> None:
        """Take a new snapshot."""
        async with self._lock:
            units, containers = await asyncio.gather(
                systemd.read_unit_states(self._units.values()), podman.list_containers()
            )
            if containers is not None:
                self.crashes.learn_names(containers)
                self.snapshot = Snapshot(units, containers, known=True)
            else:
                self.snapshot.units = units
            await self._explain_failures(units)
            await self.logs.refresh(self.snapshot.containers, self.crashes)
        self._on_change()

    def unit_of(self, workload: str) -> str:
        """Return the unit of a workload that is observed, empty for another one."""
        return self._units.get(workload, "")

    def unit_state(self, workload: str) -> UnitState:
        """Return the last seen state of a workload's unit."""
        return self.snapshot.units.get(self._units.get(workload, ""), UnitState())

    def is_active(self, workload: str) -> bool:
        """Tell whether a workload's unit was active when it was seen last."""
        return self.unit_state(workload).active == "active"

    def containers_of(self, workload: str) -> list[Container]:
        """Return the last seen containers of a workload's pod."""
        return [
            container for container in self.snapshot.containers if container.workload == workload
        ]

    def digest_of(self, workload: str) -> str:
        """Return the digest of the existing pod, empty when there is none."""
        return next((container.digest for container in self.containers_of(workload)), "")

    def explanation_of(self, workload: str) -> str:
        """Return why the unit failed last, empty if it did not or nothing says so."""
        return self._explanations.get(self._units.get(workload, ""), _Explanation()).cause

    def forget(self, workload: str) -> None:
        """Forget why a workload failed and how often it crashed: its definition changes."""
        self._explanations.pop(self._units.get(workload, ""), None)
        self.crashes.forget(workload)

    def read_current(self, workload: str) -> Current:
        """Return unit and pod of a workload as last seen, without the record on disk."""
        return Current(
            unit=self.unit_state(workload),
            pod_digest=self.digest_of(workload),
            has_running=any(
                container.state in podman.HAS_PROCESSES
                for container in self.containers_of(workload)
            ),
        )

    def _handle_entry(self, path: Path, gone: bool) -> None:
        if path.parent == self._exit_files.directory:
            self._handle_exit_file(path, gone)
        elif not any(path.name == f"invocation:{unit}" for unit in self._units.values()):
            return
        self._hint.set()

    def _handle_exit_file(self, path: Path, gone: bool) -> None:
        if gone:
            self._exit_files.forget(path)
            return
        found = self._exit_files.read_exit(path)
        if found is not None:
            self._count_exit(path.name, found)

    def _handle_overflow(self) -> None:
        """Read every exit that is not known and examine all units and pods: events were lost."""
        for container_id, found in self._exit_files.read_new():
            self._count_exit(container_id, found)
        self._hint.set()

    def _count_exit(self, container_id: str, found: ExitFile) -> None:
        self.crashes.record_exit(container_id, found.code, found.moment)
        if self.crashes.list_looping():
            self._on_change()

    async def _wait_for_hint(self) -> None:
        """Wait until it is time to look.

        That is soon after a hint, a second time later, and every second while a unit starts.
        """
        try:
            async with asyncio.timeout(self._seconds_to_look()):
                await self._hint.wait()
        except TimeoutError:
            self._looks = 0
            return
        self._hint.clear()
        self._looks += 1
        await asyncio.sleep(SETTLE if self._looks <= CALM_LOOKS else BUSY_GAP)

    def _seconds_to_look(self) -> float:
        changing = [name for name in self._units if self.unit_state(name).changing]
        if any(not self._is_initialising(name) for name in changing):
            return STARTING_LOOK
        if self._is_blind:
            return BLIND_LOOK
        if self._looks:
            return SECOND_LOOK
        return INITIALISING_LOOK if changing else FULL_CHECK

    def _is_initialising(self, workload: str) -> bool:
        """Tell whether a unit waits for an init container, which says itself when it ends."""
        return any(container.is_init for container in self.containers_of(workload))

    async def _explain_failures(self, units: dict[str, UnitState]) -> None:
        """Find out why units failed; keep that until they run, so that a retry does not hide it."""
        workloads = {unit: workload for workload, unit in self._units.items()}
        for name in self._explanations.keys() - units.keys():
            del self._explanations[name]
        for name, unit in units.items():
            if unit.active == "active":
                self._explanations.pop(name, None)
            elif self._is_unexplained(name, unit):
                cause = explain_run(await journal.read_last_run(name), workloads.get(name, ""))
                self._explanations[name] = _Explanation(unit.invocation, cause)

    def _is_unexplained(self, name: str, unit: UnitState) -> bool:
        failed = unit.active == "failed" or unit.waits_for_restart
        return failed and self._explanations.get(name, _Explanation()).invocation != unit.invocation
