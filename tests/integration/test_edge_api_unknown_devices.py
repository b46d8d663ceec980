"""Devices that the Edge API does not know: only a tombstone makes one wipe itself."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta

import pytest
from device_certificates import issue_device
from edge_site import Device, Fleet, Reply
from operator_site import Object

from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, NAMESPACE
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

DISCONNECT = {"type": "event", "message_id": "m", "version": 1, "content": "disconnect"}


async def lose(fleet: Fleet, device: Device) -> Object:
    """Remove the EdgeDevice as a restored backup does: nobody deleted the device."""
    lost = await fleet.get(device)
    await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
    return lost


async def recreate(fleet: Fleet, lost: Object) -> Object:
    """Create the EdgeDevice again as GitOps does: with another UID."""
    metadata = {key: lost["metadata"][key] for key in ("name", "namespace", "labels")}
    return await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})


def outcome(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json().get("reason", "") if reply.body else ""


def is_command(reply: Reply) -> bool:
    return reply.status == 200 and b'"disconnect"' in reply.body


async def test_a_device_without_edgedevice_is_refused_and_not_wiped(fleet: Fleet) -> None:
    device = await fleet.joined()
    await lose(fleet, device)

    async def is_refused() -> bool:
        return outcome(await device.get("control")) == (404, "UnknownDevice")

    await eventually(is_refused)
    assert outcome(await device.get("data")) == (404, "UnknownDevice")
    assert outcome(await device.beat()) == (404, "UnknownDevice")
    assert outcome(await device.register()) == (403, "UnknownDevice")
    assert (await device.post("control", DISCONNECT)).status == 200
    await device.close()


async def test_a_device_whose_edgedevice_has_another_uid_is_refused_and_not_wiped(
    fleet: Fleet,
) -> None:
    device = await fleet.joined()
    await recreate(fleet, await lose(fleet, device))

    async def is_refused() -> bool:
        return outcome(await device.get("control")) == (403, "UnknownDevice")

    await eventually(is_refused)
    assert outcome(await device.get("data")) == (403, "UnknownDevice")
    assert (await device.post("control", DISCONNECT)).status == 200
    assert "conditions" not in (await fleet.get(device)).get("status", {})
    await device.close()


async def test_a_device_that_is_being_deleted_without_tombstone_keeps_what_it_has(
    fleet: Fleet,
) -> None:
    device = await fleet.joined()
    finalizer = {"metadata": {"finalizers": ["device-finalizer"]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", finalizer)
    await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")

    async def is_refused() -> bool:
        return outcome(await device.get("data")) == (403, "DeviceLeaving")

    await eventually(is_refused)
    assert (await device.get("control")).body == b""
    assert (await device.beat()).status == 200

    await fleet.bury(await fleet.get(device), "held")
    assert (await device.get("control")).body == b""
    await device.close()


async def test_a_wipe_that_is_granted_later_reaches_a_device_that_waits(fleet: Fleet) -> None:
    device = await fleet.joined()
    finalizer = {"metadata": {"finalizers": ["device-finalizer"]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", finalizer)
    await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
    leaving = await fleet.get(device)
    await fleet.bury(leaving, "held")

    held = await device.held(device.get("control", Prefer="wait=50"))
    granted = {"data": {"wipe": "granted"}, "immutable": True}
    name = f"decommissioned-{leaving['metadata']['uid']}"
    await fleet.client.merge_patch(CONFIG_MAP, name, "flotta", granted)

    assert is_command(await asyncio.wait_for(held, 30))
    await device.close()


async def test_a_tombstone_wipes_the_device_of_its_uid_alone(fleet: Fleet) -> None:
    old = await fleet.joined()
    gone = await lose(fleet, old)
    await fleet.bury(gone)
    await recreate(fleet, gone)
    uid = (await fleet.get(old))["metadata"]["uid"]
    new = fleet.device(old.device_id, issue_device(fleet.authority, old.device_id, uid))

    async def is_wiped() -> bool:
        return is_command(await old.get("control"))

    await eventually(is_wiped)
    assert (await new.get("control")).body == b""
    for client in (old, new):
        await client.close()


async def test_a_tombstone_elsewhere_or_without_its_label_wipes_nothing(fleet: Fleet) -> None:
    device = await fleet.joined()
    gone = await lose(fleet, device)
    uid = gone["metadata"]["uid"]
    await fleet.client.create(NAMESPACE, {"metadata": {"name": f"ns-{device.device_id}"}})
    await fleet.bury(gone)
    forged = await fleet.client.get(CONFIG_MAP, f"decommissioned-{uid}", "flotta")
    await fleet.client.delete(CONFIG_MAP, f"decommissioned-{uid}", "flotta")
    for namespace, labels in ((f"ns-{device.device_id}", True), ("flotta", False)):
        copied = copy.deepcopy(forged)
        copied["metadata"] = {"name": f"decommissioned-{uid}", "namespace": namespace}
        if labels:
            copied["metadata"]["labels"] = forged["metadata"]["labels"]
        await fleet.client.create(CONFIG_MAP, copied)

    async def is_refused() -> bool:
        return outcome(await device.get("control")) == (404, "UnknownDevice")

    await eventually(is_refused)
    await device.close()


async def test_an_expired_certificate_of_a_decommissioned_device_is_told_to_wipe(
    fleet: Fleet,
) -> None:
    device = await fleet.joined()
    known = await fleet.get(device)
    ended = issue_device(
        fleet.authority,
        device.device_id,
        known["metadata"]["uid"],
        begin=timedelta(days=-40),
        end=timedelta(days=-10),
    )
    await device.use(ended)
    assert (await device.get("control")).status == 401

    await lose(fleet, device)
    await fleet.bury(known)

    async def is_wiped() -> bool:
        return is_command(await device.get("control"))

    await eventually(is_wiped)
    assert (await device.post("control", DISCONNECT)).status == 200
    assert (await device.get("data")).status == 401
    await device.close()


async def test_a_certificate_of_v0_2_is_told_to_wipe_if_its_device_was_decommissioned(
    fleet: Fleet,
) -> None:
    device = await fleet.joined()
    known = await fleet.get(device)
    # Its control plane let certificates begin a day before they were signed.
    began = timedelta(days=-1)
    issued = issue_device(fleet.authority, device.device_id, None, begin=began)
    await device.use(issued)
    assert (await device.get("control")).body == b""

    await lose(fleet, device)

    async def is_refused() -> bool:
        return outcome(await device.get("control")) == (404, "UnknownDevice")

    await eventually(is_refused)
    known["metadata"]["annotations"] = {}  # no key was ever registered
    await fleet.bury(known)

    async def is_wiped() -> bool:
        return is_command(await device.get("control"))

    await eventually(is_wiped)
    await device.close()
