"""Pods that are stopped while the device is quarantined, and started again afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from workload_host import Host, running

from flotta.protocol.models import (
    DataConfiguration,
    DataPath,
    DeviceConfigurationMessage,
    Workload,
)
from flotta.worker import podman, systemd
from flotta.worker.podman import Container
from flotta.worker.workloads import reconciler, retry
from flotta.worker.workloads.suspension import Suspension
from waiting import eventually

POD = "containers: [{name: c, image: x}]"
JOB = "restartPolicy: Never\ncontainers: [{name: c, image: x}]"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


async def test_pods_stop_and_start_again_from_what_the_device_has(
    tmp_path: Path, host: Host
) -> None:
    web, job = Workload(name="web", specification=POD), Workload(name="job", specification=JOB)
    done = Workload(name="done", specification=JOB)
    async with running(tmp_path, web, job, done) as feature:
        await eventually(lambda: host.running() == ["done", "job", "web"])
        host.finish("done")
        await feature.prepare()
        host.started.clear()

        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.running() == [])
        assert sorted(host.stopped) == ["job", "web"]

    async with running(tmp_path, web, job, done) as feature:  # the worker was restarted
        await feature.wait_applied()
        assert host.started == []

        feature.keep_stopped(stopped=False)
        await eventually(lambda: host.running() == ["job", "web"])
        assert sorted(host.started) == ["job", "web"]
    assert (tmp_path / "volumes" / "web").is_dir()


async def test_a_workload_that_is_no_longer_configured_is_stopped_but_not_removed(
    tmp_path: Path, host: Host
) -> None:
    web = Workload(name="web", specification=POD)
    async with running(tmp_path, web) as feature:
        await eventually(lambda: host.running() == ["web"])
        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.running() == [])

    async with running(tmp_path, Workload(name="bad", specification="containers: []")) as feature:
        await feature.wait_applied()
        assert (tmp_path / "volumes" / "web").is_dir()


async def test_without_a_configuration_what_is_installed_is_stopped(
    tmp_path: Path, host: Host
) -> None:
    web = Workload(name="web", specification=POD)
    async with running(tmp_path, web) as feature:
        await eventually(lambda: host.running() == ["web"])

    async with running(tmp_path) as feature:
        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.running() == [])
    assert (tmp_path / "volumes" / "web").is_dir()


async def test_a_disk_that_cannot_be_written_keeps_pods_neither_running_nor_stopped(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "DISK_RETRY", 0.01)
    refused: list[str] = []

    def refuse(*_: object, **__: object) -> None:
        refused.append("write")
        raise OSError(30, "Read-only file system")

    async with running(tmp_path, Workload(name="web", specification=POD)) as feature:
        await eventually(lambda: host.running() == ["web"])
        with monkeypatch.context() as disk:
            disk.setattr("flotta.worker.workloads.suspension.write_atomically", refuse)
            feature.keep_stopped(stopped=True)
            await eventually(lambda: host.running() == [])
            await eventually(lambda: len(refused) > 1)
        await eventually((tmp_path / "state/pods-stopped").exists)

        with monkeypatch.context() as disk:
            disk.setattr(Path, "unlink", refuse)
            refused.clear()
            feature.keep_stopped(stopped=False)
            await eventually(lambda: len(refused) > 1)
            assert host.running() == []
        await eventually(lambda: host.running() == ["web"])


async def test_an_interrupted_job_starts_again_although_its_data_paths_change_meanwhile(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def hold(_: object) -> list[str]:
        asked.set()
        return await asyncio.Event().wait() or []

    async with running(tmp_path, Workload(name="job", specification=JOB)) as feature:
        await eventually(lambda: host.running() == ["job"])
        feature.keep_stopped(stopped=True)
        await eventually(lambda: host.running() == [])
        with monkeypatch.context() as registry:
            registry.setattr(podman, "find_missing_images", hold)
            feature.keep_stopped(stopped=False)
            await asked.wait()
        data = DataConfiguration(egress=[DataPath(source="out", target="in")])
        changed = Workload(name="job", specification=JOB, data=data)
        feature.configure(DeviceConfigurationMessage(workloads=[changed]))
        await eventually(lambda: host.running() == ["job"], 20)


async def test_a_job_that_has_just_been_started_is_interrupted_too(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()

    async def restart(unit: str) -> bool:
        return await host.restart(unit) and await goes_on.wait()

    monkeypatch.setattr(systemd, "restart", restart)
    async with running(tmp_path, Workload(name="job", specification=JOB)) as feature:
        await eventually(lambda: host.running() == ["job"])
        feature.keep_stopped(stopped=True)
        goes_on.set()
        await eventually(lambda: host.running() == [])
        feature.keep_stopped(stopped=False)
        await eventually(lambda: host.running() == ["job"])


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"\xff" * 100])
def test_a_damaged_file_still_says_that_pods_are_stopped(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pods-stopped").write_bytes(content)

    found = Suspension(tmp_path / "pods-stopped")

    assert found.active
    assert found.interrupted == set()


async def test_a_pod_that_outlives_its_unit_is_stopped_as_soon_as_podman_does_it(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = {"web"}
    works = False

    async def list_containers() -> list[Container]:
        return [Container("0" * 64, "c", name, "", "running", 0, 1) for name in pods]

    async def remove_pod(name: str) -> bool:
        if works:
            pods.discard(name)
        return works

    monkeypatch.setattr(podman, "list_containers", list_containers)
    monkeypatch.setattr(podman, "remove_pod", remove_pod)
    monkeypatch.setattr(retry, "WORKLOAD_RETRY", (0.0, 0.0))
    async with running(tmp_path, Workload(name="web", specification=POD)) as feature:
        await eventually(lambda: host.running() == ["web"])
        feature.keep_stopped(stopped=True)
        await eventually(lambda: len(host.stopped) > 1)
        works = True
        await eventually(lambda: not pods)
