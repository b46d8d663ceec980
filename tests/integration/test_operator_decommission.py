"""Devices that are decommissioned, with the operator as a process on either engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from operator_site import ENGINES, Fleet, Object, Site, operator_site

from administrator import flotta
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EVENT, NAMESPACE, SIGNED_REQUEST

TIMEOUT = 2  # seconds


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    settings = {"DECOMMISSION_TIMEOUT": str(TIMEOUT), "OBC_AUTO_CREATE": "false"}
    with operator_site(directory, request.param, **settings) as running:
        yield running


@pytest.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with await Client.connect(site.kubeconfig()) as client:
        yield Fleet(client)


async def test_namespace_of_an_offline_device_can_be_deleted(fleet: Fleet) -> None:
    await fleet.namespace("closed")
    await fleet.request("off-1", namespace="closed")
    await fleet.seen(EDGE_DEVICE, "off-1", lambda d: d["metadata"]["finalizers"], "closed")
    await fleet.register("off-1", "closed")
    uid = await uid_of(fleet, "off-1", "closed")
    await fleet.client.delete(NAMESPACE, "closed")
    await fleet.gone(EDGE_DEVICE, "off-1", "closed")
    await fleet.gone(NAMESPACE, "closed", seconds=60)
    await fleet.worked_off()
    assert await tombstone(fleet, uid) is None


async def test_declined_member_stays_out_after_its_removal(fleet: Fleet, site: Site) -> None:
    await fleet.request("unwanted-1")
    await fleet.seen(EDGE_DEVICE, "unwanted-1", lambda _: True)
    await fleet.register("unwanted-1")
    answer = await asyncio.to_thread(flotta, site.kubeconfig(), "decline", "unwanted-1")
    assert "flotta decommission unwanted-1 -n default" in answer.stdout
    await fleet.client.delete(EDGE_DEVICE, "unwanted-1", "default")
    with suppress(NotFound):  # the time is over
        await fleet.acknowledge("unwanted-1")
    await fleet.gone(EDGE_DEVICE, "unwanted-1")
    await fleet.seen(SIGNED_REQUEST, "unwanted-1", is_declined)
    await fleet.worked_off()
    await fleet.client.get(SIGNED_REQUEST, "unwanted-1", "default")
    assert await fleet.find(EDGE_DEVICE, "unwanted-1") is None
    await asyncio.to_thread(flotta, site.kubeconfig(), "approve", "unwanted-1")
    await fleet.seen(EDGE_DEVICE, "unwanted-1", lambda _: True)


async def test_decommission_ends_after_the_timeout_without_the_device(fleet: Fleet) -> None:
    await fleet.request("silent-1")
    await fleet.seen(SIGNED_REQUEST, "silent-1", is_approved)
    await fleet.register("silent-1")
    uid = await uid_of(fleet, "silent-1")
    asked = int(time.time())  # a deletionTimestamp has no fractions
    await fleet.client.delete(EDGE_DEVICE, "silent-1", "default")
    await fleet.gone(EDGE_DEVICE, "silent-1")
    assert time.time() - asked >= TIMEOUT
    await fleet.gone(SIGNED_REQUEST, "silent-1")
    assert "DecommissionTimeout" in await reasons(fleet, "silent-1")
    buried = await tombstone(fleet, uid)
    assert buried is not None
    assert (buried["data"]["wipe"], buried["data"]["by"]) == ("granted", "unknown")
    assert buried["immutable"] is True


async def test_device_that_never_registered_is_deleted_at_once(fleet: Fleet) -> None:
    await fleet.request("early-1")
    await fleet.seen(SIGNED_REQUEST, "early-1", is_approved)
    uid = await uid_of(fleet, "early-1")
    await fleet.client.delete(EDGE_DEVICE, "early-1", "default")
    await fleet.gone(EDGE_DEVICE, "early-1")
    await fleet.gone(SIGNED_REQUEST, "early-1")
    assert "DecommissionTimeout" not in await reasons(fleet, "early-1")
    assert await tombstone(fleet, uid) is None


async def test_request_of_a_device_without_finalizer_is_deleted_with_it(
    fleet: Fleet,
) -> None:
    await fleet.request("stripped-1")
    await fleet.seen(SIGNED_REQUEST, "stripped-1", is_approved)
    await fleet.register("stripped-1")
    uid = await uid_of(fleet, "stripped-1")
    await fleet.client.delete(EDGE_DEVICE, "stripped-1", "default")
    bare = {"metadata": {"finalizers": None}}
    with suppress(NotFound):  # the time is over
        await fleet.client.merge_patch(EDGE_DEVICE, "stripped-1", "default", bare)
    await fleet.gone(SIGNED_REQUEST, "stripped-1")
    await fleet.worked_off()
    assert await tombstone(fleet, uid) is not None
    assert await fleet.find(EDGE_DEVICE, "stripped-1") is None


async def uid_of(fleet: Fleet, name: str, namespace: str = "default") -> str:
    found = await fleet.client.get(EDGE_DEVICE, name, namespace)
    return found["metadata"]["uid"]


async def tombstone(fleet: Fleet, uid: str) -> Object | None:
    return await fleet.find(CONFIG_MAP, f"decommissioned-{uid}", "flotta")


async def reasons(fleet: Fleet, name: str) -> set[str]:
    """Return the reasons of the Events about an object."""
    about = f"involvedObject.name={name}"
    return {e["reason"] for e in await fleet.client.list(EVENT, "default", field_selector=about)}


def is_declined(request: Object) -> bool:
    return request.get("status", {}).get("phase") == "declined"


def is_approved(request: Object) -> bool:
    return request.get("status", {}).get("phase") == "approved"
