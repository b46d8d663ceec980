"""What a pod had before stays while that pod may run, and goes when its successor does."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from workload_host import RUNS, STARTS, Host, running

from flotta.protocol.models import DeviceConfigurationMessage, Workload
from flotta.worker import podman
from flotta.worker.podman import Container
from flotta.worker.workloads import execution
from flotta.worker.workloads.manifest import DIGEST_LABEL
from waiting import eventually

CONTAINER = {"name": "c", "image": "x"}


class PodHost(Host):
    """A device whose pods are as their manifests say, once they have started."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.state = folder / "state/workloads/web"
        self.present: list[Container] = []
        self.release = asyncio.Event()
        self.release.set()
        monkeypatch.setattr(podman, "list_containers", self.list_containers)
        monkeypatch.setattr(podman, "find_bundles", self.find_bundles)

    async def restart(self, unit: str) -> bool:
        self.units[unit] = STARTS
        self.started.append("web")
        await self.release.wait()
        self.play(unit)
        return True

    def play(self, unit: str) -> None:
        """Let systemd start the pod that is on disk."""
        manifest = json.loads((self.state / "pod.yaml").read_text())
        digest = manifest["metadata"]["labels"][DIGEST_LABEL]
        self.present = [Container("1" * 64, "c", "web", digest, "running", 0, 1, 1)]
        self.units[unit] = RUNS

    async def list_containers(self) -> list[Container]:
        return self.present

    async def find_bundles(self, _: object) -> dict[str, Path]:
        return {}

    def list_parts(self) -> set[str]:
        """Return contents of files, and names of emptyDirs."""
        files = (path.read_text() for path in self.state.glob("files/*/v/k"))
        return {*files, *os.listdir(self.state / "volumes")}


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PodHost:
    return PodHost(tmp_path, monkeypatch)


def web(value: str) -> DeviceConfigurationMessage:
    config_map = json.dumps({"metadata": {"name": "m"}, "data": {"k": f"text {value}"}})
    files: dict[str, Any] = {"name": "v", "configMap": {"name": "m"}}
    spec = {"containers": [CONTAINER], "volumes": [files, {"name": value, "emptyDir": {}}]}
    workload = Workload(name="web", specification=json.dumps(spec), configmaps=[config_map])
    return DeviceConfigurationMessage(workloads=[workload])


def prepare_volume(host: PodHost, name: str) -> None:
    """Do what the unit does."""
    (host.state / "volumes" / name).mkdir(parents=True, exist_ok=True)


@asynccontextmanager
async def replacing(tmp_path: Path, host: PodHost) -> AsyncIterator[None]:
    """Yield while one pod runs and another one is being started in its place."""
    async with running(tmp_path) as feature:
        feature.configure(web("old"))
        await eventually(host.running)
        prepare_volume(host, "old")
        host.release.clear()
        feature.configure(web("new"))
        await eventually(lambda: len(host.started) == 2)
        prepare_volume(host, "new")
        yield


async def test_the_files_of_a_running_pod_stay_until_its_successor_has_started(
    tmp_path: Path, host: PodHost
) -> None:
    async with replacing(tmp_path, host):
        assert host.list_parts() == {"text old", "old", "text new", "new"}
        host.release.set()
        await eventually(lambda: host.list_parts() == {"text new", "new"})


async def test_a_change_that_comes_while_they_are_removed_is_not_lost(
    tmp_path: Path, host: PodHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def remove(*_: object) -> None:
        begun.set()
        goes_on.wait()

    monkeypatch.setattr(execution, "remove_stale_parts", remove)
    async with running(tmp_path) as feature:
        feature.configure(web("old"))
        await eventually(begun.is_set)
        feature.configure(web("new"))
        await eventually(lambda: not feature._reconciler._wake.is_set())
        goes_on.set()
        await eventually(lambda: len(host.started) == 2)


async def test_they_go_too_when_systemd_starts_the_successor_without_the_worker(
    tmp_path: Path, host: PodHost
) -> None:
    async with replacing(tmp_path, host):
        pass
    for unit in host.units:
        host.play(unit)
    assert host.list_parts() == {"text old", "old", "text new", "new"}
    async with running(tmp_path, *(web("new").workloads or [])):
        await eventually(lambda: host.list_parts() == {"text new", "new"})
    assert len(host.started) == 2
