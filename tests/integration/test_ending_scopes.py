"""A namespace or the definition of devices is deleted, with operator and Edge API as processes.

Nobody deleted a device then: no tombstone is written, and the device is told to remove nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
import pytest_asyncio
from device_certificates import issue_device
from edge_site import Device, Fleet, edge_api, fleet_of
from edge_site import Site as EdgeSite
from operator_site import ENGINES, Object, Site, resource_api, running_operator

from administrator import flotta
from flotta.resources import crds
from flotta.resources.client import ApiError, NotFound
from flotta.resources.crds import CRD
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EDGE_WORKLOAD, NAMESPACE
from waiting import eventually

DEFINITION = "edgedevices.management.project-flotta.io"
SETTINGS = {"DECOMMISSION_TIMEOUT": "600", "OBC_AUTO_CREATE": "false"}


@pytest.fixture(params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EdgeSite]:
    directory = tmp_path_factory.mktemp("scopes")
    with resource_api(directory, request.param) as access:
        operator = Site(directory, directory / "operator.log", None, access)
        with edge_api(directory, access) as started, running_operator(operator, **SETTINGS):
            yield started


@pytest_asyncio.fixture
async def fleet(site: EdgeSite) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened


async def test_a_deleted_namespace_wipes_no_device_and_adoption_brings_it_back(
    fleet: Fleet,
) -> None:
    device = await member(fleet, "shop", "till-1")
    watching = asyncio.create_task(never_told(device))

    await fleet.client.delete(NAMESPACE, "shop")
    await eventually(lambda: is_gone(fleet, "shop"), 120)
    await eventually(lambda: is_unknown(device))
    assert await tombstones(fleet) == []

    await fleet.client.create(NAMESPACE, {"metadata": {"name": "shop"}})
    await fleet.client.create(EDGE_WORKLOAD, workload("shop"))
    await adopt_and_keep(fleet, device)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await device.close()


@pytest.mark.parametrize("site", ["kubernetes"], indirect=True)
async def test_a_deleted_definition_wipes_no_device_and_adoption_brings_it_back(
    fleet: Fleet,
) -> None:
    device = await member(fleet, "shop", "till-1")
    watching = asyncio.create_task(never_told(device))
    try:
        await fleet.client.delete(CRD, DEFINITION)
        await eventually(lambda: is_undefined(fleet), 120)
        await eventually(lambda: is_unknown(device), 120)
        assert await tombstones(fleet) == []
    finally:
        definition = next(item for item in crds.load() if item["metadata"]["name"] == DEFINITION)
        await eventually(lambda: created(fleet, definition), tolerate=ApiError)
        await eventually(lambda: fleet.client.list_with_version(EDGE_DEVICE), tolerate=ApiError)

    await adopt_and_keep(fleet, device)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await device.close()


async def member(fleet: Fleet, namespace: str, name: str) -> Device:
    """Return a device that runs the workload of a new namespace."""
    await fleet.client.create(NAMESPACE, {"metadata": {"name": namespace}})
    await fleet.client.create(EDGE_WORKLOAD, workload(namespace))
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "web"}}
    known = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    uid = known["metadata"]["uid"]
    identity = issue_device(fleet.authority, name, uid, namespace=namespace)
    device = fleet.device(name, identity)
    await eventually(lambda: runs_web(device))
    await beat(device)

    async def is_kept() -> bool:
        kept = await fleet.client.get(EDGE_DEVICE, name, namespace)
        return bool(kept["metadata"].get("finalizers"))

    await eventually(is_kept)
    return device


async def adopt_and_keep(fleet: Fleet, device: Device) -> None:
    """Adopt the device, and see that its first configuration keeps the workload."""

    async def is_adopted() -> bool:
        await device.get("control")
        arguments = ["adopt", device.device_id, "--label", "app=web"]
        return (await asyncio.to_thread(flotta, fleet.site.kubeconfig, *arguments)).returncode == 0

    await eventually(is_adopted, 120)

    async def is_back() -> bool:
        await device.beat(workloads=[{"name": "web", "status": "Running"}])
        return await runs_web(device)

    await eventually(is_back, 120)


async def never_told(device: Device) -> None:
    """Ask as a device does, until cancelled; fail when it is told to remove something."""
    while True:
        command = await device.get("control")
        assert b"disconnect" not in command.body
        reply = await device.get("data")
        if reply.status == 200:
            names = [entry["name"] for entry in reply.json()["content"].get("workloads", ())]
            assert names == ["web"], reply.body
        await asyncio.sleep(0.3)


def workload(namespace: str) -> Object:
    pod = {"containers": [{"name": "web", "image": "localhost/web:1"}]}
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"type": "pod", "deviceSelector": selector, "pod": {"spec": pod}},
    }


async def beat(device: Device) -> None:
    assert (await device.beat(workloads=[{"name": "web", "status": "Running"}])).status == 200


async def runs_web(device: Device) -> bool:
    reply = await device.get("data")
    return reply.status == 200 and b'"web"' in reply.body


async def is_unknown(device: Device) -> bool:
    reply = await device.get("control")
    return reply.status in (403, 404) and reply.json()["reason"] == "UnknownDevice"


async def is_gone(fleet: Fleet, namespace: str) -> bool:
    return await fleet.client.get_or_none(NAMESPACE, namespace) is None


async def is_undefined(fleet: Fleet) -> bool:
    return await fleet.client.get_or_none(CRD, DEFINITION) is None


async def created(fleet: Fleet, definition: Object) -> bool:
    with suppress(NotFound):
        await fleet.client.create(CRD, definition)
    return True


async def tombstones(fleet: Fleet) -> list[Object]:
    selector = "management.project-flotta.io/record=decommissioned-device"
    return list(await fleet.client.list(CONFIG_MAP, "flotta", label_selector=selector))
