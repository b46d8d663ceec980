"""Starts that take long: they keep no other workload waiting, and a change ends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfigurationMessage,
    Workload,
    WorkloadStatus,
)
from flotta.worker import podman, systemd
from flotta.worker.settings import Settings
from flotta.worker.systemd import UnitState
from flotta.worker.workloads import execution
from flotta.worker.workloads.feature import WorkloadsFeature
from waiting import eventually

STARTS = UnitState("activating", "start-pre", invocation="1")
CONTAINER = {"name": "c", "image": "x"}


class Agent:
    """The agent of a device that is configured."""

    device_id = "device-1"
    may_remove = True

    def request_heartbeat(self) -> None:
        """Nothing is asked of it."""

    def add_warning(self, reason: str, message: str, *, workload: str = "") -> None:
        raise AssertionError(message)


class NoTransfers:
    """Data synchronisation without anything to send."""

    def keep_leaving(self, leaving: Mapping[str, DataConfiguration | None]) -> None:
        """Nothing is sent."""

    async def flush_workload(self, name: str, data: DataConfiguration | None) -> None:
        """Nothing is sent."""

    def add_transfer_status(self, status: WorkloadStatus) -> str:
        return ""


class Host:
    """systemd of a device on which no start ever ends."""

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
        self.started.append(_name(unit))
        self.units[unit] = STARTS
        await asyncio.Event().wait()
        raise AssertionError

    async def stop(self, unit: str) -> bool:
        self.stopped.append(_name(unit))
        self.units.pop(unit, None)
        return True

    async def read_unit_states(self, units: Iterable[str]) -> dict[str, UnitState]:
        return {unit: self.units[unit] for unit in units if unit in self.units}


def _name(unit: str) -> str:
    return unit.removesuffix("-pod.yaml.service").rpartition("-")[2]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(execution, "SLOT_TIME", 0.0)
    return Host(monkeypatch)


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[WorkloadsFeature]:
    settings = Settings(
        state_dir=tmp_path / "state",
        volumes_dir=tmp_path / "volumes",
        units_dir=tmp_path / "units",
        exits_dir=tmp_path / "exits",
        unit_changes_dir=tmp_path / "changes",
    )
    (tmp_path / "state").mkdir()
    feature = WorkloadsFeature(settings, Agent(), NoTransfers())
    await feature.prepare()
    task = asyncio.create_task(feature.run())
    yield feature
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def waiting(name: str, image: str = "x") -> Workload:
    initial = {"name": "wait", "image": image}
    spec = {"containers": [CONTAINER], "initContainers": [initial]}
    return Workload(name=name, specification=json.dumps(spec))


def message(*workloads: Workload) -> DeviceConfigurationMessage:
    return DeviceConfigurationMessage(workloads=list(workloads))


async def test_starts_that_take_long_let_others_begin(tmp_path: Path, host: Host) -> None:
    plain = Workload(name="plain", specification=json.dumps({"containers": [CONTAINER]}))
    async with running(tmp_path) as feature:
        feature.configure(message(waiting("a"), waiting("b"), waiting("c"), plain))
        await eventually(lambda: sorted(host.started) == ["a", "b", "c", "plain"])


async def test_a_change_does_not_wait_for_the_end_of_a_start(tmp_path: Path, host: Host) -> None:
    async with running(tmp_path) as feature:
        feature.configure(message(waiting("a")))
        await eventually(lambda: host.started == ["a"])
        feature.configure(message(waiting("a", image="other")))
        await eventually(lambda: host.started == ["a", "a"])
        assert host.stopped == []


async def test_a_removal_ends_a_start(tmp_path: Path, host: Host) -> None:
    async with running(tmp_path) as feature:
        feature.configure(message(waiting("a")))
        await eventually(lambda: host.started == ["a"])
        feature.configure(message())
        await eventually(lambda: host.stopped == ["a"])
        await eventually(lambda: not (tmp_path / "state/workloads/a").exists())


async def test_a_quarantine_ends_a_start(tmp_path: Path, host: Host) -> None:
    async with running(tmp_path) as feature:
        feature.configure(message(waiting("a")))
        await eventually(lambda: host.started == ["a"])
        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.stopped == ["a"])
