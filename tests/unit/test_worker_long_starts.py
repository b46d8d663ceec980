"""Starts that take long: they keep no other workload waiting, and a change ends them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from workload_host import STARTS, Host, running, workload_of

from flotta.protocol.models import DeviceConfigurationMessage, Workload
from flotta.worker.workloads import execution
from waiting import eventually

CONTAINER = {"name": "c", "image": "x"}


class SlowHost(Host):
    """A device on which no start ever ends."""

    async def restart(self, unit: str) -> bool:
        self.started.append(workload_of(unit))
        self.units[unit] = STARTS
        await asyncio.Event().wait()
        raise AssertionError

    async def stop(self, unit: str) -> bool:
        self.stopped.append(workload_of(unit))
        self.units.pop(unit, None)
        return True


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> SlowHost:
    monkeypatch.setattr(execution, "SLOT_TIME", 0.0)
    return SlowHost(monkeypatch)


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
