"""Many devices deleted at once: ten are wiped, the others wait for an administrator's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from operator_site import ENGINES, Fleet, Object, Site, resource_api, running_operator

from administrator import flotta
from flotta.fleet.adoption import FormerIdentity
from flotta.fleet.tombstones import tombstone_name
from flotta.fleet.unknown_devices import UnknownDevice, make_record
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EVENT
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

SETTINGS = {"DECOMMISSION_TIMEOUT": "600", "OBC_AUTO_CREATE": "false"}


@pytest.fixture(params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("brake")
    with resource_api(directory, request.param) as access:
        yield Site(directory, directory / "operator.log", None, access)


@pytest.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with await Client.connect(site.kubeconfig()) as client:
        yield Fleet(client)


async def test_eleven_deletions_wipe_ten_devices_also_across_a_restart(
    site: Site, fleet: Fleet
) -> None:
    names = [f"till-{number}" for number in range(12)]
    with running_operator(site, **SETTINGS):
        for name in names:
            await heard_device(fleet, name)
        for name in names[:10]:
            await fleet.client.delete(EDGE_DEVICE, name, "default")
        await eventually(lambda: has_wipes(fleet, {"granted": 10}))
    with running_operator(site, **SETTINGS):
        await fleet.client.delete(EDGE_DEVICE, names[10], "default")
        held = await fleet.seen(EDGE_DEVICE, names[10], is_held)

        assert await has_wipes(fleet, {"granted": 10, "held": 1})
        assert held["metadata"]["finalizers"] == ["device-finalizer"]
        assert await eventually(lambda: devices_of_events(fleet, "WipeHeld")) == [names[10]]

        refused = await asyncio.to_thread(flotta, site.kubeconfig(), "decommission", "--held")
        assert "this wipes 1 devices with their files (default/till-10)" in refused.stderr
        await asyncio.to_thread(flotta, site.kubeconfig(), "decommission", "--held", "--yes")
        await eventually(lambda: has_wipes(fleet, {"granted": 11}))
        await asyncio.to_thread(flotta, site.kubeconfig(), "decommission", names[11])
        await eventually(lambda: has_wipes(fleet, {"granted": 12}))


async def devices_of_events(fleet: Fleet, reason: str) -> list[str]:
    events = await fleet.client.list(EVENT, "default")
    return [event["involvedObject"]["name"] for event in events if event["reason"] == reason]


async def test_a_held_wipe_is_granted_after_the_finalizer_was_removed_by_hand(
    site: Site, fleet: Fleet
) -> None:
    names = [f"till-{number}" for number in range(12)]
    with running_operator(site, **SETTINGS):
        for name in names:
            await heard_device(fleet, name)
            await fleet.client.delete(EDGE_DEVICE, name, "default")
        await eventually(lambda: has_wipes(fleet, {"granted": 10, "held": 2}))
        held = [d["metadata"]["name"] for d in await fleet.client.list(EDGE_DEVICE) if is_held(d)]
        for name in held:
            bare = {"metadata": {"finalizers": None}}
            await fleet.client.merge_patch(EDGE_DEVICE, name, "default", bare)
        await asyncio.to_thread(flotta, site.kubeconfig(), "decommission", held[0])
        assert await has_wipes(fleet, {"granted": 11, "held": 1})
        unknown = await asyncio.to_thread(flotta, site.kubeconfig(), "decommission", "till-99")
        assert "there is no device till-99" in unknown.stderr
        await asyncio.to_thread(flotta, site.kubeconfig(), "decommission", "--held", "--yes")
        assert await has_wipes(fleet, {"granted": 12})


async def test_a_held_wipe_whose_tombstone_is_missing_stays_held(site: Site, fleet: Fleet) -> None:
    await fleet.device("till-1")
    bare, kept = ({"metadata": {"finalizers": value}} for value in (None, ["device-finalizer"]))
    await fleet.client.merge_patch(EDGE_DEVICE, "till-1", "default", kept)
    held = {"type": "WipeAllowed", "status": "False", "reason": "WipeHeld"}
    status = {"status": {"lastSeenTime": "2026-05-01T12:00:00Z", "conditions": [held]}}
    await fleet.client.merge_patch(EDGE_DEVICE, "till-1", "default", status, "status")
    uid = (await fleet.client.get(EDGE_DEVICE, "till-1", "default"))["metadata"]["uid"]
    await fleet.client.delete(EDGE_DEVICE, "till-1", "default")
    with running_operator(site, **SETTINGS):
        await eventually(lambda: has_wipes(fleet, {"held": 1}))
        # As in a store that was replaced by an older one.
        await fleet.client.delete(CONFIG_MAP, tombstone_name(uid), "flotta")
        await fleet.client.merge_patch(EDGE_DEVICE, "till-1", "default", bare)
        await eventually(lambda: has_wipes(fleet, {"held": 1}))


async def test_a_device_is_wiped_that_was_adopted_and_deleted_without_an_operator(
    site: Site, fleet: Fleet
) -> None:
    time = "2026-05-01T12:00:00Z"
    identity = FormerIdentity("00000000-0000-4000-8000-000000000001", "a" * 64)
    unknown = UnknownDevice("till-1", "default", identity, time, time)
    await fleet.client.create(CONFIG_MAP, make_record(unknown, "flotta"))
    adopted = await asyncio.to_thread(flotta, site.kubeconfig(), "adopt", "till-1")
    assert adopted.returncode == 0, adopted.stderr

    await fleet.client.delete(EDGE_DEVICE, "till-1", "default")
    with running_operator(site, **SETTINGS):
        await eventually(lambda: has_wipes(fleet, {"granted": 1}))


async def test_devices_that_vanished_without_an_operator_are_not_wiped(
    site: Site, fleet: Fleet
) -> None:
    with running_operator(site, **SETTINGS):
        await heard_device(fleet, "till-1")
    bare = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, "till-1", "default", bare)
    await fleet.client.delete(EDGE_DEVICE, "till-1", "default")
    with running_operator(site, **SETTINGS):
        await fleet.worked_off()
        assert await has_wipes(fleet, {})


async def heard_device(fleet: Fleet, name: str) -> None:
    """Create a device that has registered and reported."""
    await fleet.device(name)
    await fleet.seen(EDGE_DEVICE, name, lambda device: device["metadata"].get("finalizers"))
    seen = {"status": {"lastSeenTime": "2026-05-01T12:00:00Z"}}
    await fleet.client.merge_patch(EDGE_DEVICE, name, "default", seen, "status")


async def has_wipes(fleet: Fleet, wanted: dict[str, int]) -> bool:
    """Tell whether so many tombstones grant the wipe and hold it."""
    selector = "management.project-flotta.io/record=decommissioned-device"
    found: dict[str, int] = {}
    for tombstone in await fleet.client.list(CONFIG_MAP, "flotta", label_selector=selector):
        wipe = tombstone["data"]["wipe"]
        found[wipe] = found.get(wipe, 0) + 1
    return found == wanted


def is_held(device: Object) -> bool:
    conditions = device.get("status", {}).get("conditions", [])
    return any((c["type"], c["reason"]) == ("WipeAllowed", "WipeHeld") for c in conditions)
