"""The CRDs on a real Kubernetes API: installed, owned by another manager, taken over, removed."""

from __future__ import annotations

import asyncio
import copy
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flotta.installation.crds import CrdOutcome, install_crds, remove_crds, render_crds
from flotta.installation.errors import InstallationError
from flotta.installation.kinds import CRD
from flotta.resources.client import Client
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, Kind
from servers.api_server import KubernetesApi
from waiting import eventually

Object = dict[str, Any]
DEVICES = "edgedevices.management.project-flotta.io"
CLAIMS = "objectbucketclaims.objectbucket.io"
FLOTTA = (sys.executable, "-m", "flotta.cli.flotta")


@pytest.fixture
async def client(kubernetes: KubernetesApi) -> AsyncIterator[Client]:
    async with await Client.connect(str(kubernetes.kubeconfig())) as opened:
        yield opened


async def install(client: Client, *, force: bool = False, check_mode: bool = False) -> CrdOutcome:
    return await install_crds(client, check_mode=check_mode, force=force, wait_timeout=60)


async def remove(client: Client, *, force: bool = False, check_mode: bool = False) -> CrdOutcome:
    return await remove_crds(client, check_mode=check_mode, force=force, wait_timeout=60)


def rendered(name: str) -> Object:
    found = next(crd for crd in render_crds() if crd["metadata"]["name"] == name)
    return copy.deepcopy(found)


def of_somebody_else(name: str) -> Object:
    """Return a CRD as another system would bring it: without our labels, with other columns."""
    crd = rendered(name)
    crd["metadata"].pop("labels")
    crd["spec"]["versions"][0]["additionalPrinterColumns"] = [
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    ]
    return crd


async def bring(client: Client, crd: Object) -> None:
    """Install this CRD as another system, in place of ours if that exists."""
    name = crd["metadata"]["name"]
    if any(item["metadata"]["name"] == name for item in await client.list(CRD)):
        await drop(client, name)
    await client.apply(CRD, crd, "other-operator")

    async def established() -> bool:
        conditions = (await client.get(CRD, name)).get("status", {}).get("conditions") or []
        return ("Established", "True") in [(item["type"], item["status"]) for item in conditions]

    await eventually(established)


async def drop(client: Client, name: str) -> None:
    """Remove a CRD; its finalizer gives up for minutes when the storage is not ready."""
    spec = (await client.get(CRD, name))["spec"]
    version, names = spec["versions"][0]["name"], spec["names"]
    await client.list(Kind(spec["group"], version, names["kind"], names["plural"]))
    await client.delete(CRD, name)

    async def is_gone() -> bool:
        return all(item["metadata"]["name"] != name for item in await client.list(CRD))

    await eventually(is_gone)


async def test_check_mode_agrees_with_what_is_done_then(client: Client) -> None:
    tried = await install(client, check_mode=True)
    assert await client.list(CRD) == []
    done = await install(client)
    assert [change.title for change in tried.changes] == [change.title for change in done.changes]
    again = await install(client)
    assert (len(done.changes), again.changes) == (7, [])
    assert (done.previous, again.previous) == ("", again.version)


async def test_a_definition_in_other_hands_is_refused_unless_taken_over(client: Client) -> None:
    await bring(client, of_somebody_else(DEVICES))
    with pytest.raises(InstallationError, match=r'"other-operator" set .*with force=true') as error:
        await install(client)
    assert "\n" not in str(error.value)
    await install(client, force=True)
    assert (await install(client)).changes == []


async def test_a_webhook_of_an_earlier_system_goes_when_it_is_taken_over(client: Client) -> None:
    crd = of_somebody_else(DEVICES)
    hook = {
        "clientConfig": {"url": "https://nobody.example/convert"},
        "conversionReviewVersions": ["v1"],
    }
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": hook}
    await bring(client, crd)
    await install(client, force=True)
    live = await client.get(CRD, DEVICES)
    assert live["spec"]["conversion"] == {"strategy": "None"}


async def test_objects_in_a_version_that_we_do_not_know_are_not_given_up(client: Client) -> None:
    crd = of_somebody_else(DEVICES)
    crd["spec"]["versions"][0]["name"] = "v2"
    await bring(client, crd)
    for force in (False, True):
        with pytest.raises(InstallationError, match="has objects stored in version v2"):
            await install(client, force=force)
    await drop(client, DEVICES)


async def test_bucket_claims_of_another_storage_system_are_left_to_it(client: Client) -> None:
    await bring(client, of_somebody_else(CLAIMS))
    before = (await client.get(CRD, CLAIMS))["metadata"]["resourceVersion"]
    outcome = await install(client, force=True)
    assert CLAIMS not in outcome.names
    assert CLAIMS not in (await remove(client, check_mode=True)).names
    assert (await client.get(CRD, CLAIMS))["metadata"]["resourceVersion"] == before
    await drop(client, CLAIMS)


async def test_names_that_another_definition_has_are_explained(client: Client) -> None:
    crd = of_somebody_else(DEVICES)
    crd["metadata"]["name"] = "gadgets.management.project-flotta.io"
    crd["spec"]["names"] = {
        "plural": "gadgets",
        "singular": "gadget",
        "kind": "EdgeDevice",
        "listKind": "EdgeDeviceList",
    }
    if DEVICES in [item["metadata"]["name"] for item in await client.list(CRD)]:
        await drop(client, DEVICES)
    await bring(client, crd)
    with pytest.raises(
        InstallationError, match=r"another CRD uses its names.*remove the other CRD"
    ):
        await install(client)
    await drop(client, crd["metadata"]["name"])


async def test_data_keep_the_definitions_unless_forced(client: Client) -> None:
    await install(client)
    for name, finalizer in (("till-1", "device-finalizer"), ("till-2", None)):
        metadata: Object = {"name": name, "namespace": "default"}
        if finalizer:
            metadata["finalizers"] = [finalizer]
        await client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    claim = {
        "metadata": {
            "name": "till-1",
            "namespace": "default",
            "finalizers": ["flotta.project-flotta.io/bucket"],
        },
        "spec": {"bucketName": "till-1", "storageClassName": "x"},
    }
    await client.create(BUCKET_CLAIM, claim)
    with pytest.raises(InstallationError, match=r"2 EdgeDevice, 1 ObjectBucketClaim"):
        await remove(client)
    assert len(await client.list(EDGE_DEVICE)) == 2
    await remove(client, force=True)
    assert await client.list(CRD) == []


async def test_removing_is_idempotent(client: Client) -> None:
    await install(client)
    tried = await remove(client, check_mode=True)
    done = await remove(client)
    assert len(tried.changes) == len(done.changes) == 7
    assert await client.list(CRD) == []
    assert (await remove(client)).changes == []


async def test_the_command_says_where_flotta_is_not_installed(
    client: Client, kubernetes: KubernetesApi
) -> None:
    await remove(client, force=True)
    for command in ("status", "explain device x", "explain workload x", "approve x"):
        done = await asyncio.to_thread(
            subprocess.run,
            [*FLOTTA, "--kubeconfig", str(kubernetes.kubeconfig()), *command.split()],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("flotta: flotta is not installed on this cluster")
