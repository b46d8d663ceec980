"""What one peer may fill at the Edge API: places among the pending requests, and Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from edge_site import Device, Fleet, Reply, Site, edge_site, fleet_of

from flotta.identity.keys import public_key_fingerprint
from flotta.resources.kinds import EDGE_WORKLOAD, EVENT, SIGNED_REQUEST
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


async def enrol(devices: list[Device]) -> list[Reply]:
    replies = await asyncio.gather(*(device.enrol() for device in devices))
    for device in devices:
        await device.close()
    return list(replies)


async def test_one_registration_certificate_fills_its_own_places_only(fleet: Fleet) -> None:
    other = fleet.authority.issue_registration(["default"])

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


async def test_an_approval_makes_room(fleet: Fleet) -> None:
    devices = [fleet.device() for _ in range(PER_CERTIFICATE)]
    late = fleet.device()
    await enrol(devices)
    assert (await late.enrol()).status == 429
    approval = {"spec": {"approved": True}}
    name = devices[0].device_id
    await fleet.client.merge_patch(SIGNED_REQUEST, name, "default", approval)

    async def has_room() -> bool:
        return (await late.enrol()).status == 200

    await eventually(has_room)
    await late.close()


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
