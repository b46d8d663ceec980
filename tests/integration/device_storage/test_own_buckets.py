"""Devices get buckets of their own, with keys that open nothing else."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from device_storage_site import ASKED, Place, joined, key_of, refused, storage_of
from edge_site import Fleet as Devices
from operator_site import Fleet
from storage_site import delivered

from flotta.resources.kinds import BUCKET_CLAIM, CONFIG_MAP, EDGE_DEVICE, SECRET, SIGNED_REQUEST
from waiting import eventually

pytestmark = pytest.mark.on_one_engine


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
        await fleet.gone(kind, "own-1")
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


async def test_secrets_are_in_no_log_at_debug(place: Place, devices: Devices, fleet: Fleet) -> None:
    device = await joined(devices, fleet, "discreet-1", ASKED)
    key = key_of(await storage_of(device))
    folder = place.operator.directory
    logs = [folder / "operator.log", folder / "edge-api.log", place.s3.log]
    for secret in (key.secret_key, place.s3.administrator.secret_key):
        for form in (secret, b64encode(secret.encode()).decode()):
            assert not [log.name for log in logs if form in log.read_text()]
