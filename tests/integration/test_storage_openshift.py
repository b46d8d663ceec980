"""Buckets of OpenShift Data Foundation, on a real Kubernetes API with what matters of OpenShift."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_site import Device, Fleet, Site, edge_api, fleet_of
from operator_site import resource_api
from storage_site import delivered

from flotta.installation.kinds import CRD
from flotta.installation.rbac import render_rbac
from flotta.installation.settings import Installation
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    NAMESPACE,
    ROUTE,
    SECRET,
    Kind,
)
from waiting import eventually

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
ROLES = {
    "Role": Kind(RBAC, "v1", "Role", "roles"),
    "RoleBinding": Kind(RBAC, "v1", "RoleBinding", "rolebindings"),
}
CLASS = "openshift-storage.noobaa.io"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("openshift")
    with resource_api(directory, "kubernetes") as access:
        asyncio.run(become_openshift(access("admin")))
        with edge_api(directory, access) as site:
            yield site


@pytest.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as fleet:
        yield fleet


async def become_openshift(kubeconfig: Path) -> None:
    async with await Client.connect(str(kubeconfig)) as client:
        for name in ("openshift-storage", "openshift-ingress-operator"):
            await client.create(NAMESPACE, {"metadata": {"name": name}})
        await client.create(CRD, definition_of_routes())
        await eventually(lambda: served(client))
        metadata = {"name": "s3", "namespace": "openshift-storage"}
        route = {"host": "s3-openshift-storage.apps.lab.example"}
        await client.create(ROUTE, {"metadata": metadata, "spec": route})
        metadata = {"name": "router-ca", "namespace": "openshift-ingress-operator"}
        await client.create(SECRET, {"metadata": metadata, "stringData": {"tls.crt": "ROUTER"}})
        for obj in render_rbac(Installation(openshift=True)):
            if obj["metadata"].get("namespace") == "openshift-storage":
                user = {"apiGroup": RBAC, "kind": "User", "name": obj["metadata"]["name"]}
                subjects = {"subjects": [user]} if "subjects" in obj else {}
                await client.create(ROLES[obj["kind"]], obj | subjects)


def definition_of_routes() -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "metadata": {"name": f"{ROUTE.plural}.{ROUTE.group}"},
        "spec": {
            "group": ROUTE.group,
            "scope": "Namespaced",
            "names": {"kind": ROUTE.kind, "plural": ROUTE.plural},
            "versions": [version | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


async def served(client: Client) -> bool:
    try:
        await client.list(ROUTE, "openshift-storage")
    except ApiError:
        return False
    return True


async def with_bucket(fleet: Fleet, device: Device) -> None:
    """Do what NooBaa and the operator of v0.2 do for a claim of the device."""
    metadata: Object = {"name": device.device_id, "namespace": "default"}
    spec = {"storageClassName": CLASS, "generateBucketName": device.device_id}
    claim = await fleet.client.create(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})
    reference = {"apiVersion": BUCKET_CLAIM.api_version, "kind": BUCKET_CLAIM.kind}
    owner = {**reference, "name": device.device_id, "uid": claim["metadata"]["uid"]}
    metadata = {**metadata, "ownerReferences": [owner]}
    inside = {"BUCKET_NAME": "b-1", "BUCKET_HOST": "s3.openshift-storage.svc", "BUCKET_PORT": "443"}
    data = {**inside, "BUCKET_REGION": ""}
    await fleet.client.create(CONFIG_MAP, {"metadata": metadata, "data": data})
    access_key = {"AWS_ACCESS_KEY_ID": "noobaa", "AWS_SECRET_ACCESS_KEY": "hidden"}
    await fleet.client.create(SECRET, {"metadata": metadata, "stringData": access_key})
    status = {"status": {"dataObc": device.device_id}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", status, "status")


async def test_bucket_is_reached_by_the_route_that_outsiders_take(fleet: Fleet) -> None:
    device = await fleet.joined()
    await with_bucket(fleet, device)

    async def look() -> Object:
        return (await delivered(device))[1]

    section = await eventually(look)
    assert section["bucket_host"] == "s3-openshift-storage.apps.lab.example"
    assert (section["bucket_port"], section["bucket_region"]) == (443, "us-east-1")
    assert (section["bucket_name"], b64decode(section["aws_ca_bundle"])) == ("b-1", b"ROUTER")

    version, _ = await delivered(device)
    held = await device.held(delivered(device, version=version, wait=20))
    moved = {"spec": {"host": "s3.apps.moved.example"}}
    await fleet.client.merge_patch(ROUTE, "s3", "openshift-storage", moved)
    assert (await held)[1]["bucket_host"] == "s3.apps.moved.example"


async def test_lost_route_is_complained_of_and_takes_nothing_away(fleet: Fleet) -> None:
    device = await fleet.joined()
    await with_bucket(fleet, device)

    async def look() -> Object:
        return (await delivered(device))[1]

    before = await eventually(look)
    await fleet.client.delete(ROUTE, "s3", "openshift-storage")

    async def complained() -> bool:
        assert (await delivered(device))[1] == before
        conditions = (await fleet.get(device))["status"].get("conditions") or []
        return any(
            "Route openshift-storage/s3" in condition.get("message", "") for condition in conditions
        )

    await eventually(complained)
