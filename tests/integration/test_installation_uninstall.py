"""Uninstalling from a real Kubernetes API: what is removed, what stays, what is reported."""

from __future__ import annotations

import pytest
from installation_site import S3, InterruptedClient, Place, add_data, titles

from flotta.installation.crds import remove_crds
from flotta.installation.errors import InstallationError
from flotta.installation.kinds import DEPLOYMENT
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, NAMESPACE, SECRET, Kind

VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")


async def test_removal_leaves_no_object_of_ours(place: Place) -> None:
    async with place.kubelet():
        await place.present(
            wait_timeout=60, s3=S3, network_policy={}, ingress={"host": "edge.example"}
        )
    outcome = await place.absent(wait_timeout=60)
    assert await place.ours() == []
    assert outcome.kept == []
    assert place.namespace not in [
        item["metadata"]["name"] for item in await place.client.list(NAMESPACE)
    ]
    assert titles(await place.absent()) == []


async def test_removal_keeps_the_fleet_and_its_certificates(place: Place) -> None:
    await place.present()
    await add_data(place)
    outcome = await place.absent(wait_timeout=60)
    assert await place.ours() == []
    assert await place.find(SECRET, "flotta-ca")
    assert await place.client.get(EDGE_DEVICE, "till-1", "default")
    assert "1 EdgeDevice" in outcome.kept
    assert f"Namespace {place.namespace} with Secret {place.namespace}/flotta-ca" in outcome.kept
    assert titles(await place.absent()) == []
    with pytest.raises(InstallationError, match=r"still exists \(1 EdgeDevice\)"):
        await remove_crds(place.client, check_mode=False, force=False, wait_timeout=20)


async def test_removal_with_data_works_without_an_operator_and_says_what_stays_behind(
    place: Place,
) -> None:
    await place.present()
    await add_data(place)
    for name in ("flotta-certificates", "flotta-ca-rollover"):  # as an Edge API and a user write
        metadata = {"name": name, "namespace": place.namespace}
        await place.client.create(CONFIG_MAP, {"metadata": metadata})
    await add_used_batch(place)
    outcome = await place.absent(wait_timeout=60, delete_data=True)
    assert "1 devices were not decommissioned" in outcome.warnings[0]
    assert await place.client.list(EDGE_DEVICE) == []
    assert outcome.kept == []
    assert await place.find(SECRET, "flotta-ca") is None
    assert await place.ours() == []


async def add_used_batch(place: Place) -> None:
    """Add a registration batch and a use of it that no garbage collector has found yet."""
    label = "management.project-flotta.io/registration-batch"
    head = {"name": "spring", "namespace": place.namespace, "labels": {"reg-client-ca": "true"}}
    await place.client.create(SECRET, {"metadata": head})
    use = {"name": "spring-1", "namespace": place.namespace, "labels": {label: "spring"}}
    await place.client.create(CONFIG_MAP, {"metadata": use})


async def test_the_namespace_stays_while_it_holds_what_is_not_ours(place: Place) -> None:
    await place.present()
    head = {"metadata": {"name": "files", "namespace": place.namespace}}
    storage = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
    await place.client.create(VOLUME_CLAIM, {**head, "spec": storage})
    outcome = await place.absent(delete_data=True)
    volume = f"PersistentVolumeClaim {place.namespace}/files"
    assert outcome.kept == [f"Namespace {place.namespace} with {volume}"]
    assert (await place.client.get(NAMESPACE, place.namespace))["status"]["phase"] == "Active"
    await place.client.delete(NAMESPACE, place.namespace)


async def test_removal_with_data_goes_on_when_something_changed_in_between(place: Place) -> None:
    await place.present()
    await add_data(place)
    async with await InterruptedClient.connect(str(place.api.kubeconfig())) as client:
        await place.absent(client, delete_data=True)
        assert client.interrupted == ["till-1"]
    assert await place.client.list(EDGE_DEVICE) == []


async def test_removal_with_data_has_to_wait(place: Place) -> None:
    await place.present()
    with pytest.raises(InstallationError, match="delete_data needs wait=true"):
        await place.absent(delete_data=True, wait_timeout=0)
    assert await place.find(DEPLOYMENT, "flotta-operator")
