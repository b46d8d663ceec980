"""Pods that the worker stopped before they had finished start again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workload_host import FINISHED, Host, running

from flotta.protocol.models import Workload
from flotta.worker import podman
from flotta.worker.podman import Container
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.workloads.probe_ends import note_end
from waiting import eventually

CONTAINER = {"name": "c", "image": "x"}
ID = "7" * 64


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def job(policy: str) -> Workload:
    spec = {"containers": [CONTAINER], "restartPolicy": policy}
    return Workload(name="job", specification=json.dumps(spec))


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_pod_that_crashed_in_a_loop_starts_again(
    tmp_path: Path, host: Host, restarts: bool
) -> None:
    async with running(tmp_path, job("OnFailure")) as feature:
        await eventually(lambda: feature._observer.is_active("job"))
        await eventually(lambda: feature._reconciler.is_settled("job"))
        crash_loops = feature._reconciler.crash_loops
        crash_loops._stopped.add("job")
        await crash_loops._stop("job")
        # A look from before the stop would say that the pod runs again.
        await feature._observer.refresh()
        if not restarts:
            crash_loops.cancel("job")
            feature._reconciler.wake()
            await eventually(lambda: host.running() == ["job"])
    if restarts:
        assert host.running() == []
        async with running(tmp_path, job("OnFailure")):
            await eventually(lambda: host.running() == ["job"])
    assert not list(tmp_path.rglob("interrupted.json"))


@pytest.mark.parametrize(("policy", "starts"), [("OnFailure", 2), ("Never", 1)])
async def test_a_pod_whose_only_container_a_probe_ended_starts_again(
    tmp_path: Path,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    starts: int,
) -> None:
    seen: list[Container] = []

    async def list_containers() -> list[Container]:
        return seen

    monkeypatch.setattr(podman, "list_containers", list_containers)
    async with running(tmp_path, job(policy)) as feature:
        await eventually(lambda: host.running() == ["job"])
        (directory,) = (path.parent for path in tmp_path.rglob("workload.json"))
        note_end(directory, ContainerRun("job", "c", ID, 1, 1))
        seen.append(Container(ID, "c", "job", "", "exited", 0, 0))
        host.finish("job")
        await feature._observer.refresh()
        feature._reconciler.wake()
        await eventually(lambda: len(host.started) == starts)
    assert (FINISHED in host.units.values()) == (policy == "Never")
