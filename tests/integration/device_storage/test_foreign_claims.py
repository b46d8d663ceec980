"""Claims, buckets and Secrets that are not a device's: it gets none and takes none along."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from device_storage_site import (
    ASKED,
    Place,
    allotted,
    complained,
    decommissioned,
    joined,
    key_of,
    named,
    reasons,
    refused,
    storage_of,
)
from edge_site import Fleet as Devices
from operator_site import Fleet, Object
from storage_site import delivered

from flotta.resources.client import AlreadyExists
from flotta.resources.finalizers import BUCKET_FINALIZER
from flotta.resources.kinds import BUCKET_CLAIM, CONFIG_MAP, EDGE_DEVICE, NAMESPACE, SECRET
from flotta.storage.access_keys import AccessKey
from flotta.storage.bucket_names import make_bucket_name
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

KEEP = {"metadata": {"annotations": {"flotta.project-flotta.io/bucket": "keep"}}}


async def test_bucket_that_is_not_the_claims_cannot_be_claimed(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    victim = await storage_of(await joined(devices, fleet, "victim-1", ASKED))
    spec = {"storageClassName": "shop-buckets", "bucketName": victim["bucket_name"]}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": named("thief"), "spec": spec})

    async def told() -> object:
        return (await reasons(fleet, "thief")).get("ProvisioningFailed")

    assert "use generateBucketName" in str(await eventually(told))
    assert await fleet.find(SECRET, "thief") is None
    await fleet.client.delete(BUCKET_CLAIM, "thief", "default")
    await fleet.gone(BUCKET_CLAIM, "thief")
    assert (place.s3.root / victim["bucket_name"]).is_dir()


def lib_bucket_owner(claim: Object) -> Object:
    """Return the metadata of what lib-bucket-provisioner (NooBaa, Rook) writes for a claim."""
    reference = {"apiVersion": "objectbucket.io/v1alpha1", "kind": "ObjectBucketClaim"}
    owner = {**reference, "name": claim["metadata"]["name"], "uid": claim["metadata"]["uid"]}
    flags = {"controller": True, "blockOwnerDeletion": True}
    return {**named(owner["name"]), "ownerReferences": [owner | flags]}


async def bind_elsewhere(fleet: Fleet, claim: Object) -> None:
    """Do what another provisioner does for a claim."""
    metadata, name = lib_bucket_owner(claim), claim["metadata"]["name"]
    data = {"BUCKET_NAME": "b-1", "BUCKET_HOST": "ceph.shop.example", "BUCKET_PORT": "8443"}
    await fleet.client.create(CONFIG_MAP, {"metadata": metadata, "data": data})
    access_key = {"AWS_ACCESS_KEY_ID": "ceph", "AWS_SECRET_ACCESS_KEY": "hidden"}
    await fleet.client.create(SECRET, {"metadata": metadata, "stringData": access_key})
    bound = {"status": {"phase": "Bound"}}
    await fleet.client.merge_patch(BUCKET_CLAIM, name, "default", bound, "status")


async def claim_of_a_team(
    fleet: Fleet, name: str, storage_class: str = "rook-ceph-bucket"
) -> Object:
    spec = {"storageClassName": storage_class, "generateBucketName": name}
    return await fleet.client.create(BUCKET_CLAIM, {"metadata": named(name), "spec": spec})


def storage_reason(device: Object) -> str:
    conditions = device.get("status", {}).get("conditions") or []
    return next((item["reason"] for item in conditions if item["type"] == "StorageReady"), "")


@pytest.mark.parametrize("spec", [None, ASKED], ids=["unasked", "asked"])
async def test_device_with_the_name_of_somebodys_claim_gets_no_keys_and_deletes_nothing(
    devices: Devices, fleet: Fleet, spec: Object | None
) -> None:
    name = f"billing-{'asked' if spec else 'unasked'}"
    await bind_elsewhere(fleet, await claim_of_a_team(fleet, name))
    before = [await fleet.find(kind, name) for kind in (BUCKET_CLAIM, SECRET, CONFIG_MAP)]
    device = await joined(devices, fleet, name, spec)
    found = await fleet.seen(EDGE_DEVICE, name, lambda d: storage_reason(d) == "ClaimForeign")
    assert "dataObc" not in found["status"]
    assert (await delivered(device))[1] == {}
    # Not even when the status names the claim, as an operator of before wrote it.
    recorded = {"status": {"dataObc": name}}
    await fleet.client.merge_patch(EDGE_DEVICE, name, "default", recorded, "status")
    assert (await delivered(device))[1] == {}
    await fleet.seen(EDGE_DEVICE, name, lambda d: "dataObc" not in d["status"])
    assert (await delivered(device))[1] == {}

    await decommissioned(fleet, name)
    await fleet.worked_off()
    after = [await fleet.find(kind, name) for kind in (BUCKET_CLAIM, SECRET, CONFIG_MAP)]
    assert after == before


async def test_claim_that_is_annotated_for_a_device_is_used_and_stays_when_it_goes(
    devices: Devices, fleet: Fleet
) -> None:
    claim = await claim_of_a_team(fleet, "lent-1")
    device = await joined(devices, fleet, "lent-1", ASKED)
    await bind_elsewhere(fleet, claim)
    await fleet.seen(EDGE_DEVICE, "lent-1", lambda d: storage_reason(d) == "ClaimForeign")
    version, section = await delivered(device)
    assert section == {}

    held = asyncio.create_task(delivered(device, version=version, wait=50))
    await allotted(fleet, "lent-1")
    await held
    section = await storage_of(device)
    assert (section["bucket_host"], section["bucket_port"]) == ("ceph.shop.example", 8443)
    assert key_of(section) == AccessKey("ceph", "hidden", "b-1")
    found = await fleet.client.get(BUCKET_CLAIM, "lent-1", "default")
    assert BUCKET_FINALIZER not in (found["metadata"].get("finalizers") or [])

    await decommissioned(fleet, "lent-1")
    await fleet.worked_off()
    assert await fleet.client.get(BUCKET_CLAIM, "lent-1", "default") == found

    # Whoever enrols under the name next gets nothing by it, before somebody names its UID.
    await joined(devices, fleet, "lent-1", ASKED)
    again = await fleet.seen(EDGE_DEVICE, "lent-1", lambda d: storage_reason(d) == "ClaimForeign")
    assert "dataObc" not in again["status"]
    await allotted(fleet, "lent-1")
    await fleet.seen(EDGE_DEVICE, "lent-1", lambda d: storage_reason(d) == "ClaimBound")
    await decommissioned(fleet, "lent-1")


async def test_keys_are_not_read_from_a_secret_that_the_claim_does_not_own(
    devices: Devices, fleet: Fleet
) -> None:
    device = await joined(devices, fleet, "swapped-1", ASKED)
    before = await storage_of(device)
    theirs = {"AWS_ACCESS_KEY_ID": "team", "AWS_SECRET_ACCESS_KEY": "hidden"}

    async def swapped() -> bool:
        """Replace the Secret; the operator may write its own again in between."""
        found = await fleet.find(SECRET, "swapped-1")
        if found and not found["metadata"].get("ownerReferences"):
            return True
        if found:
            await fleet.client.delete(SECRET, "swapped-1", "default")
        with contextlib.suppress(AlreadyExists):
            await fleet.client.create(
                SECRET, {"metadata": named("swapped-1"), "stringData": theirs}
            )
        return False

    await eventually(swapped)
    await complained(devices, device, "Secret 'swapped-1' was not written for ObjectBucketClaim")
    assert (await delivered(device))[1] == before
    secret = await fleet.find(SECRET, "swapped-1")
    await decommissioned(fleet, "swapped-1")
    assert await fleet.find(SECRET, "swapped-1") == secret


async def claim_told(fleet: Fleet, name: str, text: str, namespace: str = "default") -> None:
    """Wait until the claim's condition says something."""

    def says(claim: Object) -> bool:
        conditions = claim.get("status", {}).get("conditions") or []
        return any(text in item["message"] for item in conditions)

    await fleet.seen(BUCKET_CLAIM, name, says, namespace)


async def test_bucket_of_a_claim_whose_device_was_restored_under_another_uid_is_kept(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    await claim_of_a_team(fleet, "reborn-1", "shop-buckets")
    device = await joined(devices, fleet, "reborn-1", ASKED)
    await allotted(fleet, "reborn-1")
    key = key_of(await storage_of(device))
    client = place.s3.client(key)
    assert not await refused(client.put_object, Bucket=key.bucket, Key="x", Body=b"1")
    # What a restore leaves: the claim's owner has the UID of before. The garbage collector deletes.
    owner = {"apiVersion": EDGE_DEVICE.api_version, "kind": EDGE_DEVICE.kind}
    before = {**owner, "name": "reborn-1", "uid": "11111111-2222-3333-4444-555555555555"}
    restored = {"metadata": {"annotations": None, "ownerReferences": [before]}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "reborn-1", "default", restored)
    await fleet.seen(BUCKET_CLAIM, "reborn-1", lambda c: c["metadata"].get("deletionTimestamp"))
    await claim_told(fleet, "reborn-1", "flotta.project-flotta.io/bucket=delete, or =keep")
    await fleet.seen(EDGE_DEVICE, "reborn-1", lambda d: storage_reason(d) == "ClaimForeign")
    assert (await delivered(device))[1] == {}
    file = place.s3.root / str(key.bucket) / "x"
    assert file.read_bytes() == b"1"

    await fleet.client.merge_patch(BUCKET_CLAIM, "reborn-1", "default", KEEP)
    section = await storage_of(device, lambda s: s["bucket_name"] != key.bucket)
    assert section["bucket_name"].startswith("reborn-1-")
    assert file.read_bytes() == b"1"
    assert not (place.s3.keys / f"{key.access_key}.json").exists()


async def test_bucket_of_a_device_that_goes_with_its_namespace_is_kept(
    place: Place, fleet: Fleet
) -> None:
    shop = "closing"
    await fleet.client.create(NAMESPACE, {"metadata": {"name": shop}})
    # The EdgeDevice outlives its claim, which is then deleted as if it had been decommissioned.
    metadata = {"name": "closing-1", "namespace": shop, "finalizers": ["test.example/kept"]}
    device = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": ASKED})
    claim = await fleet.seen(
        BUCKET_CLAIM, "closing-1", lambda c: c.get("status", {}).get("phase") == "Bound", shop
    )
    assert claim["metadata"]["ownerReferences"][0]["uid"] == device["metadata"]["uid"]
    bucket = claim["spec"]["bucketName"]
    place.s3.client(place.s3.administrator).put_object(Bucket=bucket, Key="x", Body=b"1")

    await fleet.client.delete(NAMESPACE, shop)
    await claim_told(fleet, "closing-1", "is kept", shop)
    assert (place.s3.root / bucket / "x").read_bytes() == b"1"

    await fleet.client.merge_patch(BUCKET_CLAIM, "closing-1", shop, KEEP)
    bare = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, "closing-1", shop, bare)
    await fleet.gone(NAMESPACE, shop)
    assert (place.s3.root / bucket / "x").read_bytes() == b"1"


async def test_claim_where_the_keys_of_the_fleet_are_gets_no_bucket_and_can_be_deleted(
    place: Place, fleet: Fleet
) -> None:
    spec = {"storageClassName": "shop-buckets", "generateBucketName": "inside"}
    metadata = {"name": "inside", "namespace": "flotta", "finalizers": [BUCKET_FINALIZER]}
    before = {path.name for path in place.s3.root.iterdir()}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})
    await claim_told(fleet, "inside", "holds the keys of the fleet", "flotta")
    assert before >= {path.name for path in place.s3.root.iterdir() if "inside" in path.name}
    await fleet.client.delete(BUCKET_CLAIM, "inside", "flotta")
    await fleet.gone(BUCKET_CLAIM, "inside", "flotta")


async def test_bucket_that_somebody_else_made_under_the_name_is_left_alone(
    place: Place, fleet: Fleet
) -> None:
    claim = await claim_of_a_team(fleet, "squatted")
    bucket = make_bucket_name("squatted", claim["metadata"]["uid"])
    admin = place.s3.client(place.s3.administrator)
    admin.create_bucket(Bucket=bucket)
    admin.put_object(Bucket=bucket, Key="x", Body=b"1")
    ours = {"spec": {"storageClassName": "shop-buckets"}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "squatted", "default", ours)
    await claim_told(fleet, "squatted", f"bucket {bucket} exists and was not created for the claim")
    assert await fleet.find(SECRET, "squatted") is None
    await fleet.client.delete(BUCKET_CLAIM, "squatted", "default")
    await fleet.gone(BUCKET_CLAIM, "squatted")
    assert (place.s3.root / bucket / "x").read_bytes() == b"1"
