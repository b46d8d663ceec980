"""The definition of EdgeWorkloads is deleted and created again, with an Edge API as a process.

Nobody removed the workloads of the devices, so no device is told to remove them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from device_certificates import issue_device
from edge_site import Device, Fleet, edge_api, fleet_of
from operator_site import Object, resource_api

from flotta.resources import crds
from flotta.resources.client import ApiError, Client, NotFound
from flotta.resources.crds import CRD
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, NAMESPACE
from flotta.rfc3339 import parse_required_time
from waiting import eventually

GROUP = "management.project-flotta.io"
DEFINITION = f"edgeworkloads.{GROUP}"
WITHHELD, REVIEWED = f"{GROUP}/configuration-withheld", f"{GROUP}/reviewed-crd-uid"
SHOP = "shop"
Access = Callable[[str], Path]


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    with resource_api(tmp_path, "kubernetes") as access:
        yield access


@pytest_asyncio.fixture
async def client(access: Access) -> AsyncIterator[Client]:
    async with await Client.connect(str(access("admin"))) as client:
        yield client
        with suppress(NotFound):
            await let_go(client)
        await define(client)


@asynccontextmanager
async def edge_api_of(directory: Path, access: Access) -> AsyncIterator[Fleet]:
    with edge_api(directory, access) as site:
        async with fleet_of(site) as fleet:
            yield fleet


async def test_devices_keep_their_workloads(tmp_path: Path, access: Access, client: Client) -> None:
    async with edge_api_of(tmp_path, access) as fleet:
        device = await member(fleet, "till-1")
        async with asking(device):
            await redefine(client)
            await shows_what_it_would_lose(client, device)

            await eventually(lambda: is_past_creation(client))
            younger = await member(fleet, "till-2", app="none")
            await younger.beat()
            assert (await younger.get("data")).status == 200
            assert await annotations(client, younger) == {}

            await client.create(EDGE_WORKLOAD, workload())
            await is_released_once(client, device)
        await client.delete(EDGE_WORKLOAD, "web", SHOP)  # by somebody who means it
        await eventually(lambda: is_told_to_remove_it(device))
        for asker in (device, younger):
            await asker.close()


async def test_devices_keep_their_workloads_where_no_edge_api_ran(
    tmp_path: Path, access: Access, client: Client
) -> None:
    async with edge_api_of(tmp_path, access) as fleet:
        before = await member(fleet, "till-1")
        await before.close()

    await redefine(client)

    async with edge_api_of(tmp_path, access) as fleet:
        device = fleet.device("till-1", before.identity)
        async with asking(device):
            await shows_what_it_would_lose(client, device)
            await client.create(EDGE_WORKLOAD, workload())
            await is_released_once(client, device)
        await device.close()


async def test_devices_keep_their_workloads_while_the_definition_ends(
    tmp_path: Path, access: Access, client: Client
) -> None:
    async with edge_api_of(tmp_path, access) as fleet:
        before = await member(fleet, "till-1")
        async with asking(before):
            kept = {"metadata": {"finalizers": ["test.example/kept"]}}
            await client.merge_patch(EDGE_WORKLOAD, "web", SHOP, kept)
            await client.delete(CRD, DEFINITION)
            await eventually(lambda: is_withheld(before))
        await before.close()

    async with edge_api_of(tmp_path, access) as fleet:
        device = fleet.device("till-1", before.identity)
        async with asking(device):
            assert await is_withheld(device)
            await let_go(client)
            await eventually(lambda: is_undefined(client), 120)
            await define(client)
            await shows_what_it_would_lose(client, device)
        await device.close()


async def member(fleet: Fleet, name: str, app: str = "web") -> Device:
    """Return a device of the shop, which runs the workload if it is chosen."""
    with suppress(ApiError):
        await fleet.client.create(NAMESPACE, {"metadata": {"name": SHOP}})
        await fleet.client.create(EDGE_WORKLOAD, workload())
    metadata = {"name": name, "namespace": SHOP, "labels": {"app": app}}
    known = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    uid = known["metadata"]["uid"]
    device = fleet.device(name, issue_device(fleet.authority, name, uid, namespace=SHOP))
    if app == "web":
        await eventually(lambda: runs_web(device))
        await beat(device)
    else:
        await eventually(lambda: is_accepted(device))
    return device


@asynccontextmanager
async def asking(device: Device) -> AsyncIterator[None]:
    """Ask as a device does; fail when it is told to remove something."""

    async def ask() -> None:
        while True:
            reply = await device.get("data")
            if reply.status == 200:
                assert names(reply.json()) == ["web"], reply.body
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask())
        yield
        task.cancel()


async def shows_what_it_would_lose(client: Client, device: Device) -> None:
    definition = await client.get(CRD, DEFINITION)
    wanted = {WITHHELD: "true", REVIEWED: definition["metadata"]["uid"]}
    await eventually(lambda: has_annotations(client, device, wanted), 120)

    async def is_shown() -> bool:
        await beat(device)
        assert await is_withheld(device)
        status = (await client.get(EDGE_DEVICE, device.device_id, SHOP))["status"]
        found = [c for c in status["conditions"] if c["type"] == "ConfigurationReleased"]
        return bool(found) and "runs web" in found[0]["message"]

    await eventually(is_shown, 120, pause=0.3)


async def is_released_once(client: Client, device: Device) -> None:
    async def is_back() -> bool:
        await beat(device)
        return await runs_web(device)

    await eventually(is_back, 120, pause=0.3)
    definition = await client.get(CRD, DEFINITION)
    assert await annotations(client, device) == {REVIEWED: definition["metadata"]["uid"]}


async def redefine(client: Client) -> None:
    await client.delete(CRD, DEFINITION)
    await eventually(lambda: is_undefined(client), 120)
    await define(client)


async def define(client: Client) -> None:
    """Create the definition of EdgeWorkloads; return when it is served."""
    definition = next(item for item in crds.load() if item["metadata"]["name"] == DEFINITION)

    async def is_created() -> bool:
        if await is_undefined(client):
            await client.create(CRD, definition)
        return await client.list(EDGE_WORKLOAD) is not None

    await eventually(is_created, 120, tolerate=ApiError)


async def let_go(client: Client) -> None:
    bare = {"metadata": {"finalizers": None}}
    await client.merge_patch(EDGE_WORKLOAD, "web", SHOP, bare)


async def is_past_creation(client: Client) -> bool:
    """Tell whether what is created from now on is younger; times of creation are whole seconds."""
    created = parse_required_time(
        (await client.get(CRD, DEFINITION))["metadata"]["creationTimestamp"]
    )
    return datetime.now(UTC) >= created + timedelta(seconds=1)


async def is_undefined(client: Client) -> bool:
    return await client.get_or_none(CRD, DEFINITION) is None


def workload() -> Object:
    pod = {"containers": [{"name": "web", "image": "localhost/web:1"}]}
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": "web", "namespace": SHOP},
        "spec": {"type": "pod", "deviceSelector": selector, "pod": {"spec": pod}},
    }


def names(configuration: Object) -> list[str]:
    return [entry["name"] for entry in configuration["content"].get("workloads") or ()]


async def beat(device: Device) -> None:
    assert (await device.beat(workloads=[{"name": "web", "status": "Running"}])).status == 200


async def annotations(client: Client, device: Device) -> Object:
    known = await client.get(EDGE_DEVICE, device.device_id, SHOP)
    return dict(known["metadata"].get("annotations") or {})


async def has_annotations(client: Client, device: Device, wanted: Object) -> bool:
    return await annotations(client, device) == wanted


async def is_accepted(device: Device) -> bool:
    return (await device.get("control")).status == 200


async def is_withheld(device: Device) -> bool:
    reply = await device.get("data")
    return reply.status == 503 and reply.json()["reason"] == "ConfigurationWithheld"


async def runs_web(device: Device) -> bool:
    reply = await device.get("data")
    return reply.status == 200 and names(reply.json()) == ["web"]


async def is_told_to_remove_it(device: Device) -> bool:
    reply = await device.get("data")
    return reply.status == 200 and names(reply.json()) == []
