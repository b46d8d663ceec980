"""What one peer may fill at the Edge API: places among the pending requests, and Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from edge_site import Device, Fleet, Reply, Site, edge_site, fleet_of

from flotta.identity.keys import public_key_fingerprint
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, EVENT, SIGNED_REQUEST
from waiting import eventually

PER_CERTIFICATE, PER_NAMESPACE = 4, 6
ENVIRONMENT = {
    "PENDING_REQUESTS_PER_CERTIFICATE": str(PER_CERTIFICATE),
    "PENDING_REQUESTS_PER_NAMESPACE": str(PER_NAMESPACE),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with edge_site(tmp_path_factory.mktemp("edge"), **ENVIRONMENT) as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened
        for request in await opened.client.list(SIGNED_REQUEST, "default"):
            await opened.client.delete(SIGNED_REQUEST, request["metadata"]["name"], "default")
        for device in await opened.client.list(EDGE_DEVICE, "default"):
            await opened.client.delete(EDGE_DEVICE, device["metadata"]["name"], "default")


async def enrol(devices: list[Device]) -> list[Reply]:
    replies = await asyncio.gather(*(device.enrol() for device in devices))
    for device in devices:
        await device.close()
    return list(replies)


async def test_one_batch_fills_its_own_places_only(fleet: Fleet) -> None:
    other = await fleet.issue("others")

    flood = await enrol([fleet.device() for _ in range(10)])
    others = await enrol([fleet.device(identity=other) for _ in range(5)])

    statuses = [reply.status for reply in flood]
    assert sorted(statuses) == [200] * PER_CERTIFICATE + [429] * (10 - PER_CERTIFICATE)
    refused = next(reply for reply in flood if reply.status == 429)
    assert refused.json()["reason"] == "TooManyPendingRequests"
    assert refused.headers["Retry-After"] == "300"
    admitted = [reply.status for reply in others].count(200)
    assert admitted == PER_NAMESPACE - PER_CERTIFICATE
    requests = await fleet.client.list(SIGNED_REQUEST, "default")
    assert len(requests) == PER_NAMESPACE


async def test_a_device_that_waits_already_keeps_its_place(fleet: Fleet) -> None:
    devices = [fleet.device() for _ in range(PER_CERTIFICATE)]
    late = fleet.device()
    assert [reply.status for reply in await enrol(devices)] == [200] * PER_CERTIFICATE
    assert (await late.enrol()).status == 429

    assert [reply.status for reply in await enrol(devices)] == [200] * PER_CERTIFICATE
    await late.close()


async def test_a_registration_makes_room_and_an_approval_does_not(fleet: Fleet) -> None:
    devices = [fleet.device() for _ in range(PER_CERTIFICATE)]
    late = fleet.device()
    await enrol(devices)
    for device in devices:
        await fleet.approve(device.device_id)

    async def is_seen() -> bool:
        return (await devices[0].enrol()).status == 208

    await eventually(is_seen)
    assert (await late.enrol()).status == 429
    assert (await devices[0].register()).status == 200

    async def has_room() -> bool:
        return (await late.enrol()).status == 200

    await eventually(has_room)
    await late.close()


async def test_a_flood_that_is_approved_leaves_few_requests_and_devices(fleet: Fleet) -> None:
    """Approved or not: what does not register keeps its place."""
    flood = [fleet.device() for _ in range(30)]
    for device in flood:
        if (await device.enrol()).status == 200:
            await fleet.approve(device.device_id)
        await device.close()

    assert len(await fleet.client.list(SIGNED_REQUEST, "default")) == PER_CERTIFICATE


async def test_a_request_records_the_certificate_and_little_hardware(fleet: Fleet) -> None:
    device = fleet.device()
    disks = [{"name": f"sd{number}", "model": "m" * 100} for number in range(500)]
    hardware = {"hostname": "till", "disks": disks}
    assert (await device.enrol(features={"hardware": hardware})).status == 200

    request = await fleet.request(device)
    assert request is not None
    fingerprint = request["metadata"]["annotations"][
        "management.project-flotta.io/registration-certificate"
    ]
    assert len(fingerprint) == 64
    stored = request["spec"]["features"]["hardware"]
    assert stored["hostname"] == "till"
    assert len(str(stored)) < 20_000
    await device.close()


async def test_a_fingerprint_of_another_form_is_refused(fleet: Fleet) -> None:
    device = fleet.device()
    reply = await device.enrol(public_key_fingerprint="f" * 200_000)

    assert (reply.status, reply.json()["reason"]) == (400, "InvalidMessage")
    genuine = public_key_fingerprint(device.key.public_key())
    assert (await device.enrol(public_key_fingerprint=genuine)).status == 200
    await device.close()


async def test_a_device_writes_few_events_and_none_about_workloads_of_others(
    fleet: Fleet,
) -> None:
    device = await fleet.joined()
    other = {"device": "another", "type": "pod", "pod": {"spec": {"containers": []}}}
    metadata = {"name": "payroll", "namespace": "default"}
    await fleet.client.create(EDGE_WORKLOAD, {"metadata": metadata, "spec": other})
    for number in range(12):
        events = [
            {"reason": "Flood", "type": "warn", "message": f"{number} {i}", "workload": "payroll"}
            for i in range(10)
        ]
        assert (await device.beat(events=events)).status == 200

    found = await fleet.client.list(EVENT, "default")
    flood = [event["involvedObject"]["kind"] for event in found if event["reason"] == "Flood"]
    assert flood.count("EdgeDevice") == 25
    assert "EdgeWorkload" not in flood
    await device.close()
