"""A quarantined device at two replicas of the Edge API, which share one resource API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from edge_site import Device, Fleet, Reply, Site, fleet_of, two_edge_apis
from operator_site import ENGINES
from raw_requests import raw_connection, request_head

from flotta.cli.quarantine import quarantine, release
from flotta.fleet.quarantine import KEEP, STOP, Pods
from flotta.identity.keys import new_key
from flotta.resources.kinds import EDGE_DEVICE
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

Object = dict[str, Any]


@pytest.fixture(scope="module", params=ENGINES)
def replicas(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Site]]:
    with two_edge_apis(tmp_path_factory.mktemp("quarantine"), request.param) as started:
        yield started


@pytest.fixture
async def fleet(replicas: tuple[Site, Site]) -> AsyncIterator[Fleet]:
    async with fleet_of(replicas[0]) as fleet:
        yield fleet


@pytest.fixture
async def device(fleet: Fleet) -> AsyncIterator[Device]:
    joined = await fleet.joined()
    yield joined
    await joined.close()


@pytest.fixture
async def twin(replicas: tuple[Site, Site], device: Device) -> AsyncIterator[Device]:
    """Return the same device as it speaks with the other replica, which knows it."""
    other = device.at(replicas[1])

    async def is_known() -> bool:
        return (await other.get("control")).status == 200

    await eventually(is_known)
    yield other
    await other.close()


async def lock_out(fleet: Fleet, device: Device, pods: Pods = STOP) -> None:
    await quarantine(fleet.client, await fleet.get(device), pods, "Left in a taxi", "a test")


async def let_in(fleet: Fleet, device: Device) -> None:
    await release(fleet.client, await fleet.get(device))


def refusal(reply: Reply) -> tuple[int, str, str]:
    body = reply.json() if reply.status >= 400 else {}
    return reply.status, body.get("reason", ""), body.get("pods", "")


STOPPED = (403, "DeviceQuarantined", "Stop")


async def test_polls_held_by_both_replicas_end_with_the_refusal(
    fleet: Fleet, device: Device, twin: Device
) -> None:
    known = (await device.get("data")).headers["ETag"]
    held = [
        await device.held(device.get("control", Prefer="wait=50")),
        await device.held(device.get("data", Prefer="wait=50", If_None_Match=known)),
        await twin.held(twin.get("control", Prefer="wait=50")),
    ]

    await lock_out(fleet, device)

    replies = await asyncio.gather(*held)
    assert [refusal(reply) for reply in replies] == [STOPPED] * 3
    assert {reply.headers["Connection"] for reply in replies} == {"close"}


async def test_nothing_of_a_quarantined_device_is_accepted_by_either_replica(
    fleet: Fleet, device: Device, twin: Device
) -> None:
    await lock_out(fleet, device, KEEP)

    for speaker in (device, twin):

        async def is_refused(of: Device = speaker) -> bool:
            return (await of.get("control")).status == 403

        await eventually(is_refused)
        replies = [
            await speaker.get("control"),
            await speaker.get("data"),
            await speaker.beat(),
            await speaker.post("control", event("disconnect")),
            await speaker.send("ansible", None),
            await speaker.enrol(),
            await speaker.register(),
        ]
        assert {refusal(reply) for reply in replies} == {(403, "DeviceQuarantined", "Keep")}


def event(content: str) -> Object:
    return {
        "type": "event",
        "message_id": "m",
        "response_to": "",
        "version": 1,
        "sent": "2026-01-10T09:00:00Z",
        "content": content,
    }


async def test_the_registration_certificate_is_no_way_around_it(
    fleet: Fleet, device: Device
) -> None:
    """Neither with the same key nor with another one, and before a watch reports anything."""
    await lock_out(fleet, device)
    thief = fleet.device(device.device_id)

    assert refusal(await thief.enrol()) == STOPPED
    assert refusal(await thief.register()) == STOPPED
    thief.key = device.key
    assert refusal(await thief.register()) == STOPPED
    await thief.close()


async def test_an_approved_request_of_the_same_id_is_no_way_around_it(
    fleet: Fleet, device: Device
) -> None:
    await lock_out(fleet, device)
    await fleet.client.merge_patch(
        EDGE_DEVICE,
        device.device_id,
        "default",
        {"metadata": {"labels": {"edgedeviceSignedRequest": "true"}}},
    )
    thief = fleet.device(device.device_id)
    thief.key = new_key()

    assert refusal(await thief.register()) == STOPPED
    await thief.close()


async def test_connections_that_wait_are_closed_and_those_of_others_are_not(
    fleet: Fleet, device: Device, twin: Device
) -> None:
    other = await fleet.joined()
    async with (
        raw_connection(device) as idle,
        raw_connection(twin) as distant,
        raw_connection(other) as neighbour,
    ):
        for connection, of in ((idle, device), (distant, twin), (neighbour, other)):
            await connection.send(request_head("GET", f"/control/{of.device_id}/in"))
            assert (await connection.response()).status == 200

        await lock_out(fleet, device)

        assert await idle.is_closed()
        assert await distant.is_closed()
        await neighbour.send(request_head("GET", f"/control/{other.device_id}/in"))
        assert (await neighbour.response()).status == 200
    await other.close()


async def test_a_released_device_goes_on_with_the_certificate_and_configuration_that_it_has(
    fleet: Fleet, device: Device, twin: Device
) -> None:
    version = (await device.get("data")).headers["ETag"]
    await lock_out(fleet, device)
    await eventually(lambda: refused(twin))

    await let_in(fleet, device)

    await eventually(lambda: accepted(twin))
    await eventually(lambda: accepted(device))
    assert (await device.get("data", If_None_Match=version)).status == 304
    assert (await device.beat()).status == 200
    assert (await device.register()).status == 200


async def refused(device: Device) -> bool:
    return refusal(await device.get("control")) == STOPPED


async def accepted(device: Device) -> bool:
    return (await device.get("control")).status == 200


async def test_a_quarantined_device_that_is_decommissioned_is_told_to_wipe_itself(
    fleet: Fleet, device: Device
) -> None:
    await lock_out(fleet, device)
    await eventually(lambda: refused(device))
    obj = await fleet.get(device)
    finalizers = {"metadata": {"finalizers": ["yggdrasil-device-finalizer"]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", finalizers)
    await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
    await fleet.bury(obj)

    await eventually(lambda: accepted(device))

    command = (await device.get("control")).json()
    assert command["content"]["command"] == "disconnect"
    assert (await device.post("control", event("disconnect"))).status == 200
    conditions = (await fleet.get(device))["status"]["conditions"]
    assert [item["type"] for item in conditions if item["status"] == "True"] == ["Disconnected"]
    free = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", free)
