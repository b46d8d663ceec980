"""A gateway's life with the real Edge API: join, configuration, renewal, removal, return."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from device_site import DeviceFiles, TestWorker, running, with_timing, worker_of
from edge_site import Fleet, Site, edge_site, fleet_of

from flotta.gateway.settings import Settings
from flotta.protocol.console_code import console_code
from flotta.protocol.joining import read_joining
from flotta.resources.client import NotFound
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, SIGNED_REQUEST
from waiting import eventually


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with edge_site(tmp_path_factory.mktemp("edge"), PRESENCE_WRITE_SECONDS="1") as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> DeviceFiles:
    return DeviceFiles(tmp_path, f"till-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def settings(files: DeviceFiles, fleet: Fleet) -> Settings:
    server = f"localhost:{fleet.site.port}"
    ca = fleet.authority.certificate_pem
    return with_timing(files.configure(server, ca, fleet.registration), hold=20)


async def join(fleet: Fleet, worker: TestWorker, device_id: str, **labels: str) -> None:
    """Enrol, be approved, register."""
    await worker.register()
    assert (await worker.send("enrolment", {"features": {}}))["StatusCode"] == 200
    await fleet.approve(device_id, **labels)
    await worker.join()
    await eventually(lambda: worker.configurations)


async def test_device_joins_and_follows_changes(
    settings: Settings, files: DeviceFiles, fleet: Fleet
) -> None:
    device_id = files.device_id
    async with running(settings), worker_of(settings) as worker:
        await join(fleet, worker, device_id, room=device_id)
        assert (await worker.send("heartbeat", {"status": "up", "version": "1"}))[
            "StatusCode"
        ] == 200
        pod = {"spec": {"containers": [{"name": "web", "image": "localhost/web:1"}]}}
        spec = {
            "type": "pod",
            "deviceSelector": {"matchLabels": {"room": device_id}},
            "pod": pod,
        }
        metadata = {"name": device_id, "namespace": "default"}
        await fleet.client.create(EDGE_WORKLOAD, {"metadata": metadata, "spec": spec})
        await eventually(lambda: worker.configurations[-1].get("workloads"))
        assert worker.configurations[-1]["workloads"][0]["name"] == device_id


async def test_people_at_the_device_see_how_far_it_is(
    settings: Settings, files: DeviceFiles, fleet: Fleet
) -> None:
    device_id = files.device_id
    path = settings.socket.parent / "joining.json"

    def phase() -> str:
        found = read_joining(path)
        return found.phase if found else "none"

    async with running(settings), worker_of(settings) as worker:
        assert phase() == "Connecting"
        await worker.register()
        await worker.send("enrolment", {"features": {}})
        waiting = read_joining(path)
        request = await fleet.client.get(SIGNED_REQUEST, device_id, namespace="default")
        fingerprint = request["metadata"]["annotations"][
            "management.project-flotta.io/key-fingerprint"
        ]
        assert waiting is not None
        assert (waiting.phase, waiting.code) == ("Waiting", console_code(fingerprint))
        await fleet.approve(device_id)
        await worker.join()
        assert phase() == "Joined"
        await fleet.client.delete(EDGE_DEVICE, device_id, namespace="default")
        await eventually(lambda: phase() == "Refused")
    assert phase() == "none"


async def test_renewal_changes_key_and_certificate(
    settings: Settings, files: DeviceFiles, fleet: Fleet
) -> None:
    settings = with_timing(
        settings, hold=2
    )  # a poll that was held with the first identity ends soon
    async with running(settings) as gateway, worker_of(settings) as worker:
        await join(fleet, worker, files.device_id)
        first = files.serial

        def renewed() -> bool:
            if files.serial == first:
                gateway._renewal.demand(
                    gateway._store.load_current()
                )  # a poll that is accepted withdraws it
            return files.serial != first

        await eventually(renewed)
        assert (await worker.send("heartbeat", {"status": "up"}))["StatusCode"] == 200
        await eventually(lambda: not (files.pki / "device/1").exists())


async def test_deleted_device_cleans_up_confirms_and_can_return(
    settings: Settings, files: DeviceFiles, fleet: Fleet
) -> None:
    device_id = files.device_id
    async with running(settings), worker_of(settings) as worker:
        await join(fleet, worker, device_id)
        held = {"metadata": {"finalizers": ["device-finalizer"]}}
        await fleet.client.merge_patch(EDGE_DEVICE, device_id, "default", held)
        await fleet.client.delete(EDGE_DEVICE, device_id, "default")
        await fleet.bury(await fleet.client.get(EDGE_DEVICE, device_id, "default"))
        await eventually(lambda: worker.disconnects == 1)
        await eventually((files.state / "decommissioned").exists)
        assert not files.serial

    async def disconnected() -> bool:
        device = await fleet.client.get(EDGE_DEVICE, device_id, "default")
        conditions = device["status"].get("conditions", [])
        return any(
            condition["type"] == "Disconnected" and condition["status"] == "True"
            for condition in conditions
        )

    await eventually(disconnected)
    released = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, device_id, "default", released)
    await fleet.client.delete(SIGNED_REQUEST, device_id, "default")
    await eventually(lambda: absent(fleet, device_id))
    (files.state / "decommissioned").unlink()
    async with running(settings), worker_of(settings) as worker:
        await join(fleet, worker, device_id)
        assert files.serial


async def absent(fleet: Fleet, device_id: str) -> bool:
    try:
        await fleet.client.get(EDGE_DEVICE, device_id, "default")
    except NotFound:
        return True
    return False
