"""What the worker leaves behind when it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workload_host import Host, running, workload_of

from flotta.protocol.models import Workload
from flotta.worker import podman, systemd
from flotta.worker.podman import Container
from waiting import eventually

ONLY = Container("1" * 64, "c", "web", "", "exited", 1, 1, 0)


async def test_a_pod_that_crashes_in_a_loop_does_not_wait_for_the_next_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(monkeypatch)
    left: list[str] = []

    async def list_containers() -> list[Container]:
        return [ONLY]

    async def find_bundles(_: object) -> dict[str, Path]:
        return {}

    async def start_later(unit: str) -> bool:
        left.append(workload_of(unit))
        return True

    monkeypatch.setattr(podman, "list_containers", list_containers)
    monkeypatch.setattr(podman, "find_bundles", find_bundles)
    monkeypatch.setattr(systemd, "start_later", start_later)
    spec = {"containers": [{"name": "c", "image": "x"}]}
    web = Workload(name="web", specification=json.dumps(spec))
    async with running(tmp_path, web) as feature:
        await eventually(host.running)

        def is_stopped_for_its_crashes() -> bool:
            feature._observer.crashes.record_exit(ONLY.id, 1)
            feature._reconciler.wake()
            return host.stopped == ["web"]

        await eventually(is_stopped_for_its_crashes)
        assert left == []
    assert left == ["web"]
