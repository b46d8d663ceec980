"""Devices that the control plane does not know are shown, taken back, and lose nothing by it."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from cryptography import x509
from device_certificates import issue_device
from edge_site import Device, Fleet
from operator_site import Object

import administrator
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.requests import certificate_request
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EDGE_WORKLOAD, NAMESPACE
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

WITHHELD = (503, "ConfigurationWithheld")


async def test_a_device_that_lost_its_edgedevice_is_adopted_and_keeps_its_workloads(
    fleet: Fleet,
) -> None:
    label = "adopted"
    device = await fleet.joined(test=label)
    await fleet.client.create(EDGE_WORKLOAD, workload(label, label))
    await eventually(lambda: runs(device, label))
    await lose(fleet, device)
    await eventually(lambda: is_listed(fleet, device))

    explained = await flotta(fleet, "explain", "device", device.device_id)
    assert f"take it back with: flotta adopt {device.device_id} -n default" in explained
    assert "is adopted" in await flotta(fleet, "adopt", device.device_id)

    await eventually(lambda: is_accepted(device))
    assert await configuration(device) == WITHHELD
    reply = await device.beat(workloads=[{"name": label, "status": "Running"}])
    assert (reply.status, reply.headers["Flotta-Wanted"]) == (200, "hardware")
    assert await configuration(device) == WITHHELD
    reply = await device.beat(
        workloads=[{"name": label, "status": "Running"}], hardware={"hostname": "Press-03"}
    )
    assert "Flotta-Wanted" not in reply.headers
    assert (await fleet.get(device))["metadata"]["labels"] == {"device.hostname": "press-03"}
    assert "which its configuration does not contain" in await flotta(
        fleet, "explain", "device", device.device_id
    )
    labels = {"metadata": {"labels": {"test": label}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", labels)

    async def is_released() -> bool:
        await beat_with(device, label)
        return await configuration(device) == (200, "")

    await eventually(is_released)
    assert await runs(device, label)
    await eventually(lambda: is_forgotten(fleet, device))

    former = device.identity
    assert (await device.register()).status == 200
    assert await runs(device, label)
    await beat_with(device, label)
    await device.use(former)
    await eventually(lambda: is_refused(device))
    await device.close()


async def test_a_device_whose_edgedevice_was_created_again_is_adopted_by_its_labels(
    fleet: Fleet,
) -> None:
    devices = [await fleet.joined() for _ in range(2)]
    for device in devices:
        await lose(fleet, device)
        labels = {"shop": "bern", "edgedeviceSignedRequest": "true"}
        metadata = {"name": device.device_id, "namespace": "default", "labels": labels}
        await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
        await eventually(lambda d=device: is_listed(fleet, d))

    await flotta(fleet, "adopt", "--selector", "shop=bern", "--label", "role=till")

    for device in devices:
        await eventually(lambda d=device: is_accepted(d))
        known = await fleet.get(device)
        assert known["metadata"]["labels"] == {"shop": "bern", "role": "till"}
        await beat_with(device)
        await eventually(lambda d=device: is_delivered(d))
        await device.close()


async def test_adoption_of_all_says_which_namespace_is_missing(fleet: Fleet) -> None:
    device = await fleet.joined()
    await lose(fleet, device)
    uid = str(uuid.uuid4())
    identity = issue_device(fleet.authority, "lonely-1", uid, namespace="no-such-shop")
    lonely = fleet.device("lonely-1", identity)
    for client in (device, lonely):
        await eventually(lambda d=client: is_listed(fleet, d))

    failure = await flotta(fleet, "adopt", "--all-unknown", succeeds=False)

    assert "namespace no-such-shop, which does not exist" in failure
    await eventually(lambda: is_accepted(device))
    for client in (device, lonely):
        await client.close()


async def test_another_device_under_the_name_is_not_replaced(fleet: Fleet) -> None:
    old = await fleet.joined()
    await lose(fleet, old)
    metadata = {"name": old.device_id, "namespace": "default"}
    created = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    uid = created["metadata"]["uid"]
    new = fleet.device(old.device_id, issue_device(fleet.authority, old.device_id, uid))
    assert (await new.beat()).status == 200
    await eventually(lambda: is_listed(fleet, old))

    failure = await flotta(fleet, "adopt", old.device_id, succeeds=False)

    assert f"another device reports as {old.device_id}" in failure
    assert (await new.get("control")).body == b""
    for client in (old, new):
        await client.close()


@pytest.mark.parametrize("copied", [False, True])
async def test_of_two_devices_with_the_same_name_an_administrator_chooses(
    fleet: Fleet, copied: bool
) -> None:
    device, other = await fleet.joined(), await fleet.joined()
    lost = await lose(fleet, device)
    await lose(fleet, other)
    # A device that had the name before, and that nobody decommissioned; or a copied disk of this
    # device, with an older certificate for the same UID.
    uid = lost["metadata"]["uid"] if copied else str(uuid.uuid4())
    former = issue_device(fleet.authority, device.device_id, uid)
    stranger = fleet.device(device.device_id, former)
    for client in (device, other, stranger):
        await eventually(lambda d=client: is_listed(fleet, d))
    await eventually(lambda: has_records(fleet, device, 2))

    failure = await flotta(fleet, "adopt", "--all-unknown", succeeds=False)

    assert f"different keys are unknown as {device.device_id}" in failure
    await eventually(lambda: is_accepted(other))
    assert (await device.get("control")).status == 404
    assert (await stranger.get("control")).status == 404
    await flotta(fleet, "adopt", record_name(lost, device))
    await eventually(lambda: is_accepted(device))
    assert await is_refused(stranger)
    for client in (device, other, stranger):
        await client.close()


async def test_a_stolen_name_without_the_key_is_not_adopted(fleet: Fleet) -> None:
    device = await fleet.joined()
    lost = await lose(fleet, device)
    await eventually(lambda: is_listed(fleet, device))
    await flotta(fleet, "adopt", device.device_id)
    await eventually(lambda: is_accepted(device))
    # Of the same CA, device and UID, but of another key.
    other = issue_device(fleet.authority, device.device_id, lost["metadata"]["uid"])
    stranger = fleet.device(device.device_id, other)

    assert (await stranger.get("control")).json()["reason"] == "UnknownDevice"
    for client in (device, stranger):
        await client.close()


async def test_a_device_that_joins_again_with_what_it_runs_keeps_it(fleet: Fleet) -> None:
    label = "again"
    device = fleet.device()
    await device.enrol()
    await fleet.approve(device.device_id)
    await fleet.client.create(EDGE_WORKLOAD, workload(label, label))
    request = certificate_request(device.key, device.device_id).decode()
    # The gateway's own registration has no hardware: the worker has a configuration.
    reply = await device.send("registration", {"certificate_request": request})
    assert reply.status == 200
    assert (await device.register()).status == 200

    await beat_with(device, label)
    assert await configuration(device) == WITHHELD
    labels = {"metadata": {"labels": {"test": label}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", labels)

    async def is_released() -> bool:
        await beat_with(device, label)
        return await runs(device, label)

    await eventually(is_released)
    await device.close()


async def test_a_namespace_that_is_deleted_takes_no_workload_off_its_devices(
    fleet: Fleet,
) -> None:
    shop = "closing-shop"
    await fleet.client.create(NAMESPACE, {"metadata": {"name": shop}})
    # Workload and device outlive the deletion of the namespace, so that the order can be chosen.
    kept = {"finalizers": ["test.example/kept"]}
    metadata = {"name": "till-1", "namespace": shop, "labels": {"test": shop}, **kept}
    known = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    web = workload(shop, shop, shop)
    await fleet.client.create(EDGE_WORKLOAD, web)
    uid = known["metadata"]["uid"]
    device = fleet.device("till-1", issue_device(fleet.authority, "till-1", uid, namespace=shop))
    await eventually(lambda: runs(device, shop))
    etag = (await device.get("data")).headers["ETag"]
    held = await device.held(device.get("data", If_None_Match=etag, Prefer="wait=50"))

    await fleet.client.delete(NAMESPACE, shop)
    reply = await asyncio.wait_for(held, 60)

    assert reply.status in (304, 403, 503), reply.body

    async def is_withheld() -> bool:
        reply = await device.get("data")
        assert reply.status != 200, reply.body
        return reply.json()["reason"] in ("ConfigurationWithheld", "DeviceLeaving")

    await eventually(is_withheld)
    bare = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, "till-1", shop, bare)
    await eventually(lambda: is_refused(device))
    await device.close()


async def lose(fleet: Fleet, device: Device) -> Object:
    """Remove the EdgeDevice as a restored backup does: nobody deleted the device."""
    lost = await fleet.get(device)
    await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
    return lost


def workload(name: str, label: str, namespace: str = "default") -> Object:
    pod = {"containers": [{"name": "web", "image": "localhost/web:1"}]}
    selector = {"matchLabels": {"test": label}}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "pod", "deviceSelector": selector, "pod": {"spec": pod}},
    }


async def beat_with(device: Device, *names: str) -> None:
    """Send a heartbeat of a device that runs these workloads."""
    entries = [{"name": name, "status": "Running"} for name in names]
    assert (await device.beat(workloads=entries)).status == 200


async def configuration(device: Device) -> tuple[int, str]:
    """Return status and reason of a request for the configuration."""
    reply = await device.get("data")
    return reply.status, "" if reply.status == 200 else reply.json()["reason"]


async def is_delivered(device: Device) -> bool:
    return await configuration(device) == (200, "")


async def runs(device: Device, name: str) -> bool:
    reply = await device.get("data")
    if reply.status != 200:
        return False
    return name in [entry["name"] for entry in reply.json()["content"].get("workloads", ())]


async def is_accepted(device: Device) -> bool:
    return (await device.get("control")).status == 200


async def is_refused(device: Device) -> bool:
    return (await device.get("control")).status in (403, 404)


def record_name(lost: Object, device: Device) -> str:
    """Return the name of the record of the device with its present key."""
    assert device.identity is not None
    certificate = x509.load_pem_x509_certificate(device.identity.certificate)
    key = public_key_fingerprint(certificate.public_key())
    return f"unknown-{lost['metadata']['uid']}-{key[:16]}"


async def records_of(fleet: Fleet, device: Device) -> list[Object]:
    selector = "management.project-flotta.io/record=unknown-device"
    found = await fleet.client.list(CONFIG_MAP, "flotta", label_selector=selector)
    return [item for item in found if item["data"]["name"] == device.device_id]


async def has_records(fleet: Fleet, device: Device, count: int) -> bool:
    return len(await records_of(fleet, device)) == count


async def is_listed(fleet: Fleet, device: Device) -> bool:
    """Let the device poll; tell whether it is recorded and shown as unknown."""
    assert (await device.get("control")).status in (200, 403, 404)
    if not await records_of(fleet, device):
        return False
    shown = await flotta(fleet, "status", "-o", "json")
    return "unknown to this control plane" in shown and device.device_id in shown


async def is_forgotten(fleet: Fleet, device: Device) -> bool:
    await device.get("control")
    return not await records_of(fleet, device)


async def flotta(fleet: Fleet, *arguments: str, succeeds: bool = True) -> str:
    """Run a command of the administrator; return its output."""
    done = await asyncio.to_thread(administrator.flotta, fleet.site.kubeconfig, *arguments)
    assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
    return done.stdout if succeeds else done.stderr
