"""Devices with an S3 server that flotta does not manage: a ConfigMap and a Secret name it."""

from __future__ import annotations

import asyncio

import pytest
from device_storage_site import (
    Place,
    complained,
    condition,
    decommissioned,
    joined,
    key_of,
    named,
    reasons,
    storage_of,
)
from edge_site import Fleet as Devices
from operator_site import Fleet, Object
from storage_site import delivered

from flotta.fleet.claim_ownership import DEVICE_ANNOTATION
from flotta.resources.kinds import BUCKET_CLAIM, CONFIG_MAP, EDGE_DEVICE, EDGE_DEVICE_SET, SECRET
from flotta.storage.access_keys import AccessKey
from waiting import eventually

pytestmark = pytest.mark.on_one_engine


async def external(fleet: Fleet, name: str, **data: str) -> None:
    """Make the ConfigMap and the Secret of an external bucket."""
    whole = {"BUCKET_NAME": name, "BUCKET_HOST": f"{name}.example", "BUCKET_REGION": "r", **data}
    await fleet.client.create(CONFIG_MAP, {"metadata": named(name), "data": whole})
    access_key = {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": "hidden"}
    await fleet.client.create(SECRET, {"metadata": named(name), "stringData": access_key})


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
    await decommissioned(fleet, "leaving-1")
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

    known = await fleet.client.get(EDGE_DEVICE, "ranked-1", "default")
    mark = {DEVICE_ANNOTATION: known["metadata"]["uid"]}
    metadata = {**named("ranked-1"), "annotations": mark}
    spec = {"storageClassName": "shop-buckets", "generateBucketName": "ranked-1"}
    await fleet.client.create(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})
    await storage_of(device, lambda s: s["bucket_name"].startswith("ranked-1-"))
    await fleet.client.delete(BUCKET_CLAIM, "ranked-1", "default")
    await fleet.gone(BUCKET_CLAIM, "ranked-1")
    await storage_of(device, lambda s: s["bucket_name"] == "of-the-set")
    await fleet.client.delete(EDGE_DEVICE_SET, "shop-external", "default")
