"""The workloads feature of a worker on a device whose systemd and podman are those of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from background import in_background
from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfigurationMessage,
    Workload,
    WorkloadStatus,
)
from flotta.worker import podman, systemd
from flotta.worker.settings import Settings
from flotta.worker.systemd import UnitState
from flotta.worker.workloads.feature import WorkloadsFeature

RUNS = UnitState("active", "running", "success", 0, "1")
STARTS = UnitState("activating", "start-pre", invocation="1")
FINISHED = UnitState("inactive", "dead", "success", 0, "1")


class Agent:
    """The agent of a device that is configured."""

    device_id = "device-1"
    may_remove = True

    def request_heartbeat(self) -> None:
        """Nothing is asked of it."""

    def add_warning(self, reason: str, message: str, *, workload: str = "") -> None:
        """Nothing is reported."""


class NoTransfers:
    """Transfers of a device without a bucket: there is nothing to send."""

    def keep_leaving(self, leaving: Mapping[str, DataConfiguration | None]) -> None:
        """Nothing is sent."""

    async def flush_workload(self, name: str, data: DataConfiguration | None) -> None:
        """Nothing is sent."""

    def add_transfer_status(self, status: WorkloadStatus) -> str:
        return ""


class Host:
    """systemd and podman of a device: units by name; records what is done with them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units: dict[str, UnitState] = {}
        self.started: list[str] = []
        self.stopped: list[str] = []

        async def succeed(*_: object) -> bool:
            return True

        async def find_none(*_: object) -> list[str]:
            return []

        monkeypatch.setattr(systemd, "reload", succeed)
        monkeypatch.setattr(systemd, "restart", self.restart)
        monkeypatch.setattr(systemd, "stop", self.stop)
        monkeypatch.setattr(systemd, "read_unit_states", self.read_unit_states)
        for name in ("find_missing_images", "list_containers", "list_pods"):
            monkeypatch.setattr(podman, name, find_none)
        monkeypatch.setattr(podman, "remove_pod", succeed)

    async def restart(self, unit: str) -> bool:
        self.started.append(workload_of(unit))
        self.units[unit] = RUNS
        return True

    async def stop(self, unit: str) -> bool:
        self.stopped.append(workload_of(unit))
        self.units[unit] = FINISHED
        return True

    async def read_unit_states(self, units: Iterable[str]) -> dict[str, UnitState]:
        return {unit: self.units[unit] for unit in units if unit in self.units}

    def running(self) -> list[str]:
        return sorted(workload_of(unit) for unit, state in self.units.items() if state is RUNS)

    def finish(self, name: str) -> None:
        (unit,) = (unit for unit in self.units if workload_of(unit) == name)
        self.units[unit] = FINISHED


def workload_of(unit: str) -> str:
    """Return the workload of a unit, whose name ends with `NAME-pod.yaml.service`."""
    return unit.removesuffix("-pod.yaml.service").rpartition("-")[2]


@asynccontextmanager
async def running(tmp_path: Path, *configured: Workload) -> AsyncIterator[WorkloadsFeature]:
    """Yield the feature while it runs, first with what is configured before."""
    (tmp_path / "state").mkdir(exist_ok=True)
    settings = Settings(
        state_dir=tmp_path / "state",
        volumes_dir=tmp_path / "volumes",
        units_dir=tmp_path / "units",
        exits_dir=tmp_path / "exits",
        unit_changes_dir=tmp_path / "changes",
    )
    feature = WorkloadsFeature(settings, Agent(), NoTransfers())
    await feature.prepare()
    if configured:
        feature.configure(DeviceConfigurationMessage(workloads=list(configured)))
    async with in_background(feature.run()):
        yield feature
