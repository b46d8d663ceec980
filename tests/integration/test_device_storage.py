"""Storage of devices from end to end: operator, Edge API, S3 and IAM as processes, on both engines.

The test is the device, the administrator, and the provisioner of a foreign storage class.
"""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from edge_site import Device, edge_api, fleet_of
from edge_site import Fleet as Devices
from edge_site import Site as EdgeSite
from operator_site import ENGINES, Fleet, Site, resource_api, running_operator
from s3_server import S3Server, running_s3
from storage_site import delivered, iam_settings

from flotta.fleet.claim_ownership import DEVICE_ANNOTATION
from flotta.resources.client import AlreadyExists
from flotta.resources.finalizers import BUCKET_FINALIZER
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EVENT,
    NAMESPACE,
    SECRET,
    SIGNED_REQUEST,
    Kind,
)
from flotta.storage.access_keys import AccessKey
from flotta.storage.bucket_names import make_bucket_name
from waiting import eventually

Object = dict[str, Any]
SETTINGS = {"OBC_AUTO_CREATE": "false", "DECOMMISSION_TIMEOUT": "2", "LOG_LEVEL": "debug"}
ASKED = {"storage": {"s3": {"createOBC": True}}}


@dataclass
class Place:
    """Everything that runs, and where."""

    operator: Site
    edge: EdgeSite
    s3: S3Server


@pytest.fixture(scope="module", params=ENGINES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("storage")
    (directory / "s3").mkdir()
    with ExitStack() as stack:
        s3 = stack.enter_context(running_s3(directory / "s3", iam=True))
        access = stack.enter_context(resource_api(directory, request.param))
        operator = Site(directory, directory / "operator.log", s3, access)
        stack.enter_context(running_operator(operator, **SETTINGS, **iam_settings(directory, s3)))
        edge = stack.enter_context(edge_api(directory, access, LOG_LEVEL="debug"))
        yield Place(operator, edge, s3)


@pytest.fixture
async def devices(place: Place) -> AsyncIterator[Devices]:
    async with fleet_of(place.edge) as devices:
        yield devices


@pytest.fixture
def fleet(devices: Devices) -> Fleet:
    return Fleet(devices.client)


async def joined(devices: Devices, fleet: Fleet, name: str, spec: Object | None = None) -> Device:
    """Have a device enrol and register, and then want this storage."""
    device = devices.device(name)
    assert (await device.enrol()).status == 200
    await fleet.seen(EDGE_DEVICE, name, lambda _: True)
    assert (await device.register(hostname=name)).status == 200
    if spec:
        await fleet.client.merge_patch(EDGE_DEVICE, name, "default", {"spec": spec})
    return device


async def storage_of(device: Device, holds: Callable[[Object], object] = bool) -> Object:
    async def look() -> Object | None:
        _, section = await delivered(device)
        return section if section and holds(section) else None

    found: Object = await eventually(look)
    return found


def key_of(section: Object) -> AccessKey:
    values = [
        b64decode(section[f"aws_{part}"]).decode()
        for part in ("access_key_id", "secret_access_key")
    ]
    return AccessKey(values[0], values[1], section["bucket_name"])


async def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """Return why the server refuses; a restart of the server after a dropped key is waited for."""

    async def answer() -> tuple[str]:
        try:
            await asyncio.to_thread(call, **arguments)
        except ClientError as error:
            return (str(error.response["Error"]["Code"]),)
        return ("",)

    return (await eventually(answer, tolerate=BotoCoreError, pause=0.2))[0]


def condition(device: Object) -> Object:
    conditions = device.get("status", {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == "Configured"), {})


async def reasons(fleet: Fleet, name: str) -> dict[str, str]:
    """Return the Events about an object: message by reason."""
    events = await fleet.client.list(EVENT, "default")
    return {e["reason"]: e["message"] for e in events if e["involvedObject"].get("name") == name}


async def test_devices_get_buckets_of_their_own_that_go_with_them(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    one = await joined(devices, fleet, "own-1", ASKED)
    two = await joined(devices, fleet, "own-2", ASKED)
    first, second = await storage_of(one), await storage_of(two)
    assert f"https://{first['bucket_host']}:{first['bucket_port']}" == place.s3.endpoint
    assert b64decode(first["aws_ca_bundle"]) == place.s3.ca_file.read_bytes()
    client = place.s3.client(key_of(first))
    assert not await refused(client.put_object, Bucket=first["bucket_name"], Key="x", Body=b"1")
    put = {"Bucket": second["bucket_name"], "Key": "x", "Body": b"1"}
    assert await refused(client.put_object, **put) in ("NoSuchBucket", "AccessDenied")
    claim = await fleet.client.get(BUCKET_CLAIM, "own-1", "default")
    assert (claim["spec"]["storageClassName"], claim["status"]["phase"]) == (
        "shop-buckets",
        "Bound",
    )

    await fleet.client.delete(EDGE_DEVICE, "own-1", "default")
    for kind in (EDGE_DEVICE, BUCKET_CLAIM, SECRET, CONFIG_MAP, SIGNED_REQUEST):
        await vanished(fleet, kind, "own-1")
    assert not (place.s3.root / first["bucket_name"]).exists()
    left = [path.name for path in place.s3.keys.rglob("*") if path.suffix == ".json"]
    assert not [name for name in left if name.startswith("own-1")]
    assert f"{key_of(first).access_key}.json" not in left
    mine = {"Bucket": first["bucket_name"], "Key": "x"}
    # A key that the server remembers finds nothing; one that it does not remember is refused.
    assert await refused(client.get_object, **mine) in ("AccessDenied", "NoSuchBucket", "NoSuchKey")
    other = place.s3.client(key_of(second))
    assert not await refused(other.put_object, **put)
    assert (place.s3.root / second["bucket_name"] / "x").read_bytes() == b"1"


async def vanished(fleet: Fleet, kind: Kind, name: str) -> None:
    async def look() -> bool:
        return await fleet.find(kind, name) is None

    await eventually(look, 60)


async def test_claim_is_made_after_registration_when_asked_for(
    devices: Devices, fleet: Fleet
) -> None:
    device = devices.device("later-1")
    assert (await device.enrol()).status == 200
    await fleet.seen(EDGE_DEVICE, "later-1", lambda _: True)
    await fleet.client.merge_patch(EDGE_DEVICE, "later-1", "default", {"spec": ASKED})
    await fleet.worked_off()
    assert await fleet.find(BUCKET_CLAIM, "later-1") is None
    assert (await device.register(hostname="later-1")).status == 200
    await storage_of(device)
    assert (await devices.get(device))["status"]["dataObc"] == "later-1"


async def test_set_asks_for_the_buckets_of_its_members(devices: Devices, fleet: Fleet) -> None:
    await fleet.device_set("shop-tills", **ASKED)
    member = await joined(devices, fleet, "member-1")
    loner = await joined(devices, fleet, "loner-1")
    label = {"metadata": {"labels": {"flotta/member-of": "shop-tills"}}}
    await fleet.client.merge_patch(EDGE_DEVICE, "member-1", "default", label)
    await storage_of(member)
    assert await fleet.find(BUCKET_CLAIM, "loner-1") is None
    assert (await delivered(loner))[1] == {}


async def test_lost_secret_is_replaced_and_its_access_key_closed(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    device = await joined(devices, fleet, "heal-1", ASKED)
    old = key_of(await storage_of(device))

    async def replaced() -> bool:
        """Lose the Secret; a look at the claim that began before restores it; lose it once more."""
        secret = await fleet.find(SECRET, "heal-1")
        if secret is None:
            return False
        if b64decode(secret["data"]["AWS_ACCESS_KEY_ID"]).decode() != old.access_key:
            return True
        uid = secret["metadata"]["uid"]
        await fleet.client.delete(SECRET, "heal-1", "default", uid=uid)
        touched = {"metadata": {"annotations": {"touched": uid}}}
        await fleet.client.merge_patch(BUCKET_CLAIM, "heal-1", "default", touched)
        return False

    await eventually(replaced)
    new = key_of(await storage_of(device, lambda s: key_of(s).access_key != old.access_key))
    assert new.bucket == old.bucket
    assert not await refused(place.s3.client(new).list_objects_v2, Bucket=new.bucket)

    async def closed() -> bool:
        client = place.s3.client(old)
        return await refused(client.list_objects_v2, Bucket=old.bucket) == "AccessDenied"

    await eventually(closed)


async def test_bucket_that_is_not_the_claims_cannot_be_claimed(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    victim = await storage_of(await joined(devices, fleet, "victim-1", ASKED))
    spec = {"storageClassName": "shop-buckets", "bucketName": victim["bucket_name"]}
    metadata = {"name": "thief", "namespace": "default"}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})

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


def named(name: str) -> Object:
    return {"name": name, "namespace": "default"}


async def bind_elsewhere(fleet: Fleet, claim: Object) -> None:
    """Do what another provisioner does for a claim."""
    metadata, name = lib_bucket_owner(claim), claim["metadata"]["name"]
    data = {"BUCKET_NAME": "b-1", "BUCKET_HOST": "ceph.shop.example", "BUCKET_PORT": "8443"}
    await fleet.client.create(CONFIG_MAP, {"metadata": metadata, "data": data})
    access_key = {"AWS_ACCESS_KEY_ID": "ceph", "AWS_SECRET_ACCESS_KEY": "hidden"}
    await fleet.client.create(SECRET, {"metadata": metadata, "stringData": access_key})
    bound = {"status": {"phase": "Bound"}}
    await fleet.client.merge_patch(BUCKET_CLAIM, name, "default", bound, "status")


async def claim_of_a_team(fleet: Fleet, name: str) -> Object:
    spec = {"storageClassName": "rook-ceph-bucket", "generateBucketName": name}
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

    await fleet.client.delete(EDGE_DEVICE, name, "default")
    await vanished(fleet, EDGE_DEVICE, name)
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
    found = await fleet.client.get(EDGE_DEVICE, "lent-1", "default")
    mark = {"metadata": {"annotations": {DEVICE_ANNOTATION: found["metadata"]["uid"]}}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "lent-1", "default", mark)
    await held
    section = await storage_of(device)
    assert (section["bucket_host"], section["bucket_port"]) == ("ceph.shop.example", 8443)
    assert key_of(section) == AccessKey("ceph", "hidden", "b-1")
    found = await fleet.client.get(BUCKET_CLAIM, "lent-1", "default")
    assert BUCKET_FINALIZER not in (found["metadata"].get("finalizers") or [])

    await fleet.client.delete(EDGE_DEVICE, "lent-1", "default")
    await vanished(fleet, EDGE_DEVICE, "lent-1")
    await fleet.worked_off()
    assert await fleet.client.get(BUCKET_CLAIM, "lent-1", "default") == found

    # Whoever enrols under the name next gets nothing by it, before somebody names its UID.
    await joined(devices, fleet, "lent-1", ASKED)
    again = await fleet.seen(EDGE_DEVICE, "lent-1", lambda d: storage_reason(d) == "ClaimForeign")
    assert "dataObc" not in again["status"]
    mark = {"metadata": {"annotations": {DEVICE_ANNOTATION: again["metadata"]["uid"]}}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "lent-1", "default", mark)
    await fleet.seen(EDGE_DEVICE, "lent-1", lambda d: storage_reason(d) == "ClaimBound")
    await fleet.client.delete(EDGE_DEVICE, "lent-1", "default")
    await vanished(fleet, EDGE_DEVICE, "lent-1")


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
            metadata = named("swapped-1")
            await fleet.client.create(SECRET, {"metadata": metadata, "stringData": theirs})
        return False

    await eventually(swapped)
    await complained(devices, device, "Secret 'swapped-1' was not written for ObjectBucketClaim")
    assert (await delivered(device))[1] == before
    secret = await fleet.find(SECRET, "swapped-1")
    await fleet.client.delete(EDGE_DEVICE, "swapped-1", "default")
    await vanished(fleet, EDGE_DEVICE, "swapped-1")
    assert await fleet.find(SECRET, "swapped-1") == secret


async def claim_told(fleet: Fleet, name: str, text: str) -> None:
    """Wait until the claim's condition says something."""

    def says(claim: Object) -> bool:
        conditions = claim.get("status", {}).get("conditions") or []
        return any(text in item["message"] for item in conditions)

    await fleet.seen(BUCKET_CLAIM, name, says)


async def test_bucket_of_a_claim_whose_device_was_restored_under_another_uid_is_kept(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    spec = {"storageClassName": "shop-buckets", "generateBucketName": "reborn-1"}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": named("reborn-1"), "spec": spec})
    device = await joined(devices, fleet, "reborn-1", ASKED)
    uid = (await fleet.client.get(EDGE_DEVICE, "reborn-1", "default"))["metadata"]["uid"]
    mark = {"metadata": {"annotations": {DEVICE_ANNOTATION: uid}}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "reborn-1", "default", mark)
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

    decided = {"metadata": {"annotations": {"flotta.project-flotta.io/bucket": "keep"}}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "reborn-1", "default", decided)
    section = await storage_of(device, lambda s: s["bucket_name"] != key.bucket)
    assert section["bucket_name"].startswith("reborn-1-")
    assert file.read_bytes() == b"1"
    assert not (place.s3.keys / f"{key.access_key}.json").exists()


async def test_bucket_of_a_device_that_goes_with_its_namespace_is_kept(
    place: Place, fleet: Fleet
) -> None:
    shop, keep = "closing", {"flotta.project-flotta.io/bucket": "keep"}
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
    await fleet.seen(
        BUCKET_CLAIM,
        "closing-1",
        lambda c: "is kept" in str(c.get("status", {}).get("conditions")),
        shop,
    )
    assert (place.s3.root / bucket / "x").read_bytes() == b"1"

    decided = {"metadata": {"annotations": keep}}
    await fleet.client.merge_patch(BUCKET_CLAIM, "closing-1", shop, decided)
    bare = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, "closing-1", shop, bare)
    await fleet.gone(NAMESPACE, shop, seconds=60)
    assert (place.s3.root / bucket / "x").read_bytes() == b"1"


async def test_claim_where_the_keys_of_the_fleet_are_gets_no_bucket_and_can_be_deleted(
    place: Place, fleet: Fleet
) -> None:
    spec = {"storageClassName": "shop-buckets", "generateBucketName": "inside"}
    metadata = {"name": "inside", "namespace": "flotta", "finalizers": [BUCKET_FINALIZER]}
    before = {path.name for path in place.s3.root.iterdir()}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})

    async def told() -> bool:
        claim = await fleet.client.get(BUCKET_CLAIM, "inside", "flotta")
        conditions = claim.get("status", {}).get("conditions") or []
        return any("holds the keys of the fleet" in item["message"] for item in conditions)

    await eventually(told)
    assert before >= {path.name for path in place.s3.root.iterdir() if "inside" in path.name}
    await fleet.client.delete(BUCKET_CLAIM, "inside", "flotta")

    async def gone() -> bool:
        return await fleet.client.get_or_none(BUCKET_CLAIM, "inside", "flotta") is None

    await eventually(gone)


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
    await vanished(fleet, BUCKET_CLAIM, "squatted")
    assert (place.s3.root / bucket / "x").read_bytes() == b"1"


async def complained(devices: Devices, device: Device, text: str) -> Object:
    """Wait until the EdgeDevice shows that something about its configuration is wrong."""

    async def look() -> Object | None:
        await delivered(device)
        found = await devices.get(device)
        shown = condition(found)
        return found if shown.get("status") == "False" and text in shown["message"] else None

    found: Object = await eventually(look)
    return found


async def external(fleet: Fleet, name: str, **data: str) -> None:
    """Make the ConfigMap and the Secret of an external bucket."""
    metadata = {"name": name, "namespace": "default"}
    whole = {"BUCKET_NAME": name, "BUCKET_HOST": f"{name}.example", "BUCKET_REGION": "r", **data}
    await fleet.client.create(CONFIG_MAP, {"metadata": metadata, "data": whole})
    access_key = {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": "hidden"}
    await fleet.client.create(SECRET, {"metadata": metadata, "stringData": access_key})


def wanting(name: str) -> Object:
    return {"storage": {"s3": {"configMapName": name, "secretName": name}}}


async def test_what_external_storage_lacks_is_said_and_noticed_when_it_comes(
    devices: Devices, fleet: Fleet
) -> None:
    device = await joined(devices, fleet, "lacking-1", wanting("shop-s3"))
    shown = condition(await complained(devices, device, "ConfigMap 'shop-s3' does not exist"))
    assert "Secret 'shop-s3' does not exist" in shown["message"]
    assert "Secret 'shop-s3' does not exist" in await eventually(lambda: about(fleet, "lacking-1"))
    assert await fleet.find(BUCKET_CLAIM, "lacking-1") is None

    await external(fleet, "shop-s3")
    await complained(devices, device, "ConfigMap 'shop-s3' is missing BUCKET_PORT")
    version, section = await delivered(device)
    assert section == {}
    held = asyncio.create_task(delivered(device, version=version, wait=50))
    port = {"data": {"BUCKET_PORT": "9000"}}
    await fleet.client.merge_patch(CONFIG_MAP, "shop-s3", "default", port)
    _, section = await held
    assert (section["bucket_host"], section["bucket_port"]) == ("shop-s3.example", 9000)
    assert key_of(section) == AccessKey("shop-s3", "hidden", "shop-s3")
    await fleet.seen(EDGE_DEVICE, "lacking-1", lambda d: condition(d).get("status") == "True")


async def about(fleet: Fleet, name: str) -> str:
    return (await reasons(fleet, name)).get("Misconfiguration", "")


async def test_edited_external_storage_is_delivered_and_a_lost_part_takes_nothing_away(
    devices: Devices, fleet: Fleet
) -> None:
    await external(fleet, "edited-s3", BUCKET_PORT="9000")
    device = await joined(devices, fleet, "edited-1", wanting("edited-s3"))
    await storage_of(device)
    version, _ = await delivered(device)
    held = asyncio.create_task(delivered(device, version=version, wait=50))
    host = {"data": {"BUCKET_HOST": "new.example"}}
    await fleet.client.merge_patch(CONFIG_MAP, "edited-s3", "default", host)
    assert (await held)[1]["bucket_host"] == "new.example"

    await fleet.client.delete(SECRET, "edited-s3", "default")
    await complained(devices, device, "Secret 'edited-s3' does not exist")
    assert key_of((await delivered(device))[1]) == AccessKey("edited-s3", "hidden", "edited-s3")


async def test_external_storage_is_left_alone_when_its_device_goes(
    place: Place, devices: Devices, fleet: Fleet
) -> None:
    admin = place.s3.client(place.s3.administrator)
    admin.create_bucket(Bucket="users-own")
    admin.put_object(Bucket="users-own", Key="x", Body=b"1")
    await external(fleet, "users-own", BUCKET_PORT="9000")
    device = await joined(devices, fleet, "leaving-1", wanting("users-own"))
    await storage_of(device)
    await fleet.client.delete(EDGE_DEVICE, "leaving-1", "default")
    await vanished(fleet, EDGE_DEVICE, "leaving-1")
    assert await fleet.find(CONFIG_MAP, "users-own")
    assert await fleet.find(SECRET, "users-own")
    assert (place.s3.root / "users-own" / "x").read_bytes() == b"1"


async def test_sets_storage_takes_the_place_of_the_devices_and_a_claim_goes_before_both(
    devices: Devices, fleet: Fleet
) -> None:
    await external(fleet, "of-the-set", BUCKET_PORT="1")
    await external(fleet, "of-the-device", BUCKET_PORT="1")
    await fleet.device_set("shop-external", **wanting("of-the-set"))
    device = await joined(devices, fleet, "ranked-1", wanting("of-the-device"))
    await storage_of(device, lambda s: s["bucket_name"] == "of-the-device")
    label = {"metadata": {"labels": {"flotta/member-of": "shop-external"}}}
    await fleet.client.merge_patch(EDGE_DEVICE, "ranked-1", "default", label)
    await storage_of(device, lambda s: s["bucket_name"] == "of-the-set")

    metadata: Object = {"name": "ranked-1", "namespace": "default"}
    known = await fleet.client.get(EDGE_DEVICE, "ranked-1", "default")
    metadata["annotations"] = {DEVICE_ANNOTATION: known["metadata"]["uid"]}
    spec = {"storageClassName": "shop-buckets", "generateBucketName": "ranked-1"}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})
    await storage_of(device, lambda s: s["bucket_name"].startswith("ranked-1-"))
    await fleet.client.delete(BUCKET_CLAIM, "ranked-1", "default")
    await vanished(fleet, BUCKET_CLAIM, "ranked-1")
    await storage_of(device, lambda s: s["bucket_name"] == "of-the-set")
    await fleet.client.delete(EDGE_DEVICE_SET, "shop-external", "default")


async def test_secrets_are_in_no_log_at_debug(place: Place, devices: Devices, fleet: Fleet) -> None:
    device = await joined(devices, fleet, "discreet-1", ASKED)
    key = key_of(await storage_of(device))
    folder = place.operator.directory
    logs = [folder / "operator.log", folder / "edge-api.log", place.s3.log]
    for secret in (key.secret_key, place.s3.administrator.secret_key):
        for form in (secret, b64encode(secret.encode()).decode()):
            assert not [log.name for log in logs if form in log.read_text()]
