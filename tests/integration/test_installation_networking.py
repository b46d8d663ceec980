"""How devices get to a control plane on Kubernetes, and what only some clusters have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from foreign_kinds import CRDS
from installation_site import (
    Place,
    titles,
    until_served,
)

from flotta.installation.errors import InstallationError
from flotta.installation.kinds import CRD, NODE, SERVICE, SERVICE_MONITOR
from flotta.resources.kinds import CONFIG_MAP, ROUTE

Object = dict[str, Any]


async def test_a_port_that_is_taken_is_explained(place: Place) -> None:
    spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30999}]}
    taken = {"metadata": {"name": "taken", "namespace": "default"}, "spec": spec}
    await place.client.create(SERVICE, taken)
    with pytest.raises(InstallationError, match="choose another node_port"):
        await place.present(node_port=30999)
    await place.client.delete(SERVICE, "taken", "default")


async def test_the_kind_of_service_may_change(place: Place) -> None:
    for wanted in ("NodePort", "LoadBalancer", "ClusterIP", "NodePort"):
        await place.present(service_type=wanted)
        assert (await place.get(SERVICE, "flotta-edge-api"))["spec"]["type"] == wanted
        assert titles(await place.present(service_type=wanted)) == []


async def test_the_address_of_a_load_balancer_gets_into_the_certificate(place: Place) -> None:
    early = await place.present(service_type="LoadBalancer")
    assert early.endpoint == ""
    assert "set server_names" in early.warnings[0]
    await place.report_balancer({"ip": "192.0.2.50"}, {"hostname": "lb.example"})
    async with place.kubelet():
        outcome = await place.present(service_type="LoadBalancer", wait_timeout=60)
    assert (outcome.endpoint, outcome.warnings) == ("192.0.2.50:8043", [])
    settings = (await place.get(CONFIG_MAP, "flotta-edge-api-config"))["data"]
    assert settings["SERVER_NAMES"].startswith("192.0.2.50,lb.example,flotta-edge-api.")


async def test_a_cluster_without_load_balancer_is_told(place: Place) -> None:
    with pytest.raises(InstallationError, match=r"has no address after 1 s.*service_type=NodePort"):
        await place.present(service_type="LoadBalancer", wait_timeout=1)


async def test_without_names_devices_use_the_nodes_addresses(place: Place) -> None:
    await place.client.create(NODE, {"metadata": {"name": "node-1"}})
    status = {"addresses": [{"type": "InternalIP", "address": "10.9.8.7"}]}
    await place.client.merge_patch(NODE, "node-1", None, {"status": status}, "status")
    outcome = await place.present()
    await place.client.delete(NODE, "node-1")
    assert outcome.endpoint == "10.9.8.7:30043"
    assert "10.9.8.7" in outcome.server_names


async def test_kinds_that_the_cluster_does_not_know_are_explained(place: Place) -> None:
    with pytest.raises(InstallationError, match=r"does not serve the kind Route.*leave out route"):
        await place.present(check_mode=True, route={"host": "edge.example"})
    with pytest.raises(InstallationError, match="leave out service_monitor"):
        await place.present(service_monitor={})


@asynccontextmanager
async def kinds_of_other_systems(place: Place) -> AsyncIterator[None]:
    for crd in CRDS:
        await place.client.apply(CRD, crd, "test")
    await until_served(place, ROUTE, SERVICE_MONITOR)
    try:
        yield
    finally:
        for crd in CRDS:
            await place.client.delete(CRD, crd["metadata"]["name"])


async def test_optional_parts_of_other_systems_are_accepted_and_removed(place: Place) -> None:
    given = {"route": {"host": "edge.example"}, "service_monitor": {"labels": {"a": "b"}}}
    async with kinds_of_other_systems(place):
        outcome = await place.present(**given)
        assert outcome.endpoint == "edge.example:443"
        assert titles(await place.present(**given)) == []
        assert await place.find(ROUTE, "flotta-edge-api")
        with pytest.raises(InstallationError, match=r"spec\.endpoints\[0\]\.interval"):
            await place.present(service_monitor={"interval": "often"})
        await place.present()
        assert await place.find(ROUTE, "flotta-edge-api") is None
        assert await place.find(SERVICE_MONITOR, "flotta-metrics") is None


async def test_optional_parts_of_kubernetes_are_accepted_with_all_their_settings(
    place: Place,
) -> None:
    policy = {
        "device_networks": ["192.0.2.0/24", "2001:db8::/32"],
        "monitoring_namespace": "monitoring",
    }
    ingress = {"host": "edge.example", "class_name": "nginx", "annotations": {"a/b": "c"}}
    await place.present()
    tried = await place.present(check_mode=True, network_policy=policy, ingress=ingress)
    shown = {change.title.split("/")[1]: change.after for change in tried.changes if change.after}
    allowed = shown["flotta-operator"]["spec"]["ingress"]
    assert [peer["ports"][0]["port"] for peer in allowed] == ["metrics"]
    done = await place.present(network_policy=policy, ingress=ingress)
    assert titles(done) == titles(tried)
    assert titles(done) == [
        f"ConfigMap {place.namespace}/flotta-edge-api-config",
        f"Deployment {place.namespace}/flotta-edge-api",
        f"Ingress {place.namespace}/flotta-edge-api",
        f"NetworkPolicy {place.namespace}/flotta-edge-api",
        f"NetworkPolicy {place.namespace}/flotta-operator",
    ]
