"""Devices that leave, with the operator as a process on either engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from operator_site import ENGINES, Fleet, Site, operator_site

from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, NAMESPACE


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    settings = {"DECOMMISSION_TIMEOUT": "1", "OBC_AUTO_CREATE": "false"}
    with operator_site(directory, request.param, **settings) as running:
        yield running


@pytest.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with await Client.connect(site.kubeconfig()) as client:
        yield Fleet(client)


async def test_namespace_of_a_device_that_is_off_can_be_deleted(fleet: Fleet) -> None:
    await fleet.namespace("closed")
    await fleet.request("off-1", namespace="closed")
    await fleet.seen(EDGE_DEVICE, "off-1", lambda d: d["metadata"]["finalizers"], "closed")
    await fleet.register("off-1", "closed")
    await fleet.client.delete(NAMESPACE, "closed")
    await fleet.gone(EDGE_DEVICE, "off-1", "closed")
    await fleet.gone(NAMESPACE, "closed", seconds=30)
