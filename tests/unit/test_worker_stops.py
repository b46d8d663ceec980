"""Pods that do not end: a device that leaves its fleet, or is quarantined, does not wait a day."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from workload_host import Host, running, workload_of

from flotta.protocol.models import DeviceConfigurationMessage, Workload
from flotta.worker import podman, podman_storage, systemd
from flotta.worker.workloads import stops
from waiting import eventually

STUBBORN = "terminationGracePeriodSeconds: 86400\ncontainers: [{name: c, image: x}]"
WEB, DEAF = (Workload(name=name, specification=STUBBORN) for name in ("web", "deaf"))


class PatientHost(Host):
    """A device with a pod `deaf` that ends only when its hook and then its container are killed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.killed: list[str] = []
        self.waits = False  # for the end of the pod
        self._ended = asyncio.Event()

        async def list_none() -> list[podman_storage.StoredVolume]:
            return []

        monkeypatch.setattr(systemd, "kill_control", self.kill_control)
        monkeypatch.setattr(podman, "kill_containers", self.kill_containers)
        monkeypatch.setattr(podman_storage, "list_volumes", list_none)
        monkeypatch.setattr(stops, "STOP_LIMIT", 0.0)
        monkeypatch.setattr(stops, "KILL_PAUSE", 0.0)

    async def stop(self, unit: str) -> bool:
        if workload_of(unit) == "deaf":
            self.waits = True
            await self._ended.wait()
        return await super().stop(unit)

    async def kill_control(self, unit: str) -> bool:
        self.killed.append(f"control of {workload_of(unit)}")
        return True

    async def kill_containers(self, workload: str) -> bool:
        self.killed.append(f"containers of {workload}")
        if self.killed.count(f"control of {workload}") > 1:
            self._ended.set()
        return True


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> PatientHost:
    return PatientHost(monkeypatch)


async def test_a_device_that_leaves_does_not_wait_for_the_longest_grace_period(
    tmp_path: Path, host: PatientHost
) -> None:
    async with running(tmp_path, WEB, DEAF) as feature:
        await eventually(lambda: host.running() == ["deaf", "web"])
        async with asyncio.timeout(30):
            await feature.wipe()
    assert sorted(host.stopped) == ["deaf", "web"]
    assert host.killed == 2 * ["control of deaf", "containers of deaf"]
    assert os.listdir(tmp_path / "state/workloads") == []


async def test_a_quarantine_does_not_wait_for_it_either(tmp_path: Path, host: PatientHost) -> None:
    async with running(tmp_path, WEB, DEAF) as feature:
        await eventually(lambda: host.running() == ["deaf", "web"])
        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.running() == [], 30)
        await eventually(lambda: "containers of deaf" in host.killed, 30)


async def test_a_quarantine_ends_the_grace_period_of_a_workload_that_is_removed(
    tmp_path: Path, host: PatientHost
) -> None:
    async with running(tmp_path, DEAF) as feature:
        await eventually(lambda: host.running() == ["deaf"])
        feature.configure(DeviceConfigurationMessage(workloads=[]))
        await eventually(lambda: host.waits)
        assert host.killed == []  # it has its whole grace period
        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.units and host.running() == [], 30)
        assert host.killed


async def test_what_ends_in_time_is_not_killed(tmp_path: Path, host: PatientHost) -> None:
    async with running(tmp_path, WEB) as feature:
        await eventually(lambda: host.running() == ["web"])
        await feature.wipe()
    assert (host.stopped, host.killed) == (["web"], [])


async def test_the_containers_of_one_workload_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    labels = [{podman.WORKLOAD_LABEL: name} for name in ("web", "web", "web", "other")]
    states = ["running", "stopping", "exited", "running"]
    listed = json.dumps(
        [
            {"Id": f"{number}" * 12, "Names": ["web-c"], "Labels": label, "State": state}
            for number, (label, state) in enumerate(zip(labels, states, strict=True))
        ]
    )
    script = tmp_path / "podman"
    script.write_text(f"#!/bin/sh\necho \"$@\" >> {calls}\ntest $1 = kill || echo '{listed}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await podman.kill_containers("web")
    assert await podman.kill_containers("nothing")
    assert await podman.remove_pod("web")
    _, kill, _, remove = calls.read_text().splitlines()
    assert kill == f"kill -- {'0' * 12} {'1' * 12}"
    assert remove.startswith("pod rm -f -i -t 0 -- web")
