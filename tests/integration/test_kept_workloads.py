"""A device, with its gateway and worker, keeps workloads although its Edge API does not say so."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from device_site import DeviceFiles, running
from edge_site import Fleet, Site, edge_site, fleet_of
from operator_site import Object
from worker_site import settings

from background import in_background
from flotta.resources.kinds import (
    EDGE_DEVICE,
    EDGE_WORKLOAD,
    EVENT,
    SIGNED_REQUEST,
    WITHHELD_ANNOTATION,
)
from flotta.worker import older_configuration, reporting
from flotta.worker.agent import Agent
from waiting import eventually

DEVICE = "till-7"
AHEAD = 40  # versions by which the store is behind what the device has seen


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with edge_site(tmp_path_factory.mktemp("edge")) as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened


@contextlib.asynccontextmanager
async def device(fleet: Fleet, folder: Path) -> AsyncIterator[None]:
    """Run gateway and worker of a device."""
    files = DeviceFiles(folder, DEVICE)
    gateway = files.configure(
        f"127.0.0.1:{fleet.site.port}", fleet.authority.certificate_pem, fleet.registration
    )
    worker = settings(f"unix:{gateway.socket}", folder)
    async with running(gateway), in_background(Agent(worker).run()):
        yield


async def test_a_workload_outlives_an_older_configuration_until_the_store_has_caught_up(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(older_configuration, "ASK_AGAIN", (0.2, 0.2))
    newest = tmp_path / "state/newest-inputs.json"
    await fleet.client.create(EDGE_WORKLOAD, workload("young", "till"))
    await fleet.client.create(EDGE_WORKLOAD, workload("other", "nobody"))
    async with device(fleet, tmp_path):
        await eventually(lambda: fleet.client.get_or_none(SIGNED_REQUEST, DEVICE, "default"))
        await fleet.approve(DEVICE, role="till")
        await eventually(lambda: "young" in configured(tmp_path))
    exported = tmp_path / "device/volumes/young/film"
    exported.parent.mkdir(parents=True)
    exported.touch()
    (tmp_path / "state/workloads/young").mkdir(parents=True, exist_ok=True)
    seen = json.loads(newest.read_text())
    versions = ("workloads_version", "device_version")
    ahead = {name: str(int(seen[name]) + AHEAD) for name in versions}
    newest.write_text(json.dumps({**seen, **ahead}))

    async with device(fleet, tmp_path):
        await fleet.client.delete(EDGE_WORKLOAD, "young", "default")
        await eventually(lambda: is_reported(fleet))
        assert exported.exists()
        assert "young" in configured(tmp_path)

        for number in range(AHEAD):
            await write(fleet, number)
        await eventually(lambda: not exported.exists())

    assert "young" not in configured(tmp_path)


async def test_a_withheld_device_that_lost_its_configuration_gets_one_that_keeps_what_it_runs(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "UNCONFIGURED_DELAY", 0.0)
    await fleet.client.create(EDGE_WORKLOAD, workload("young", "till"))
    async with device(fleet, tmp_path):
        await eventually(lambda: fleet.client.get_or_none(SIGNED_REQUEST, DEVICE, "default"))
        await fleet.approve(DEVICE, role="till")
        await eventually(lambda: "young" in configured(tmp_path))
    for path in tmp_path.glob("state/configuration*"):
        path.unlink()
    (tmp_path / "state/workloads/young").mkdir(parents=True, exist_ok=True)
    withheld = {"metadata": {"annotations": {WITHHELD_ANNOTATION: "true"}}}
    await fleet.client.merge_patch(EDGE_DEVICE, DEVICE, "default", withheld)

    async with device(fleet, tmp_path):
        await eventually(lambda: "young" in configured(tmp_path))

    found = await fleet.client.get(EDGE_DEVICE, DEVICE, "default")
    assert WITHHELD_ANNOTATION not in found["metadata"].get("annotations", {})


async def is_reported(fleet: Fleet) -> bool:
    events = await fleet.client.list(EVENT, "default")
    return any(
        event["reason"] == "ConfigurationOlder" and event["message"].endswith("Kept: young")
        for event in events
    )


async def write(fleet: Fleet, number: int) -> None:
    """Change objects that have nothing to do with the configuration of the device."""
    labels = {"metadata": {"annotations": {"written": str(number)}}}
    await fleet.client.merge_patch(EDGE_DEVICE, DEVICE, "default", labels)
    await fleet.client.merge_patch(EDGE_WORKLOAD, "other", "default", labels)


def configured(folder: Path) -> list[str]:
    """Return the workloads of the configuration on disk."""
    path = folder / "state/configuration"
    if not path.exists():
        return []
    _, _, content = path.read_text().partition("\n")
    return [workload["name"] for workload in json.loads(content).get("workloads") or []]


def workload(name: str, role: str) -> Object:
    spec = {
        "deviceSelector": {"matchLabels": {"role": role}},
        "type": "pod",
        "pod": {"spec": {"containers": []}},
    }
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
