"""The operator as a process, with its own permissions, against either engine and real S3."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from operator_site import ENGINES, Fleet, Site, operator_site, phase, truths

from flotta.resources.client import Client
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    EVENT,
    SECRET,
    SIGNED_REQUEST,
)
from flotta.storage.access_keys import AccessKey
from waiting import eventually

Object = dict[str, Any]


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    with operator_site(
        directory, request.param, storage=True, DECOMMISSION_TIMEOUT="60"
    ) as running:
        yield running


@pytest.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with await Client.connect(site.kubeconfig()) as client:
        yield Fleet(client)


def names(device: Object) -> list[str]:
    return [entry["name"] for entry in device.get("status", {}).get("workloads", [])]


def runs(*workloads: str) -> Any:
    def holds(device: Object) -> bool:
        labels = device["metadata"].get("labels", {})
        labelled = {key for key in labels if key.startswith("workload/")}
        return sorted(names(device)) == sorted(workloads) and labelled == {
            f"workload/{name}" for name in workloads
        }

    return holds


def storage(value: str) -> Any:
    return lambda device: truths(device).get("StorageReady") == value


def is_refused(device: Object) -> bool:
    conditions = device.get("status", {}).get("conditions", ())
    return any(item["reason"] == "ProvisioningFailed" for item in conditions)


def pending(request: Object) -> str:
    conditions = request.get("status", {}).get("conditions", ())
    return "".join(item.get("message", "") for item in conditions if item["type"] == "pending")


async def touch(fleet: Fleet, claim: str) -> None:
    """Have the operator reconcile a claim now."""
    touched = {"metadata": {"annotations": {"touched": str(time.monotonic_ns())}}}
    await fleet.client.merge_patch(BUCKET_CLAIM, claim, "default", touched)


async def test_request_is_approved_and_becomes_a_device(fleet: Fleet) -> None:
    await fleet.request("join-1", targetSet="tills")
    request = await fleet.seen(SIGNED_REQUEST, "join-1", phase("approved"))
    device = await fleet.seen(EDGE_DEVICE, "join-1", lambda _: True)
    assert truths(request) == {"pending": "False", "approved": "True", "declined": "False"}
    assert device["metadata"]["labels"] == {
        "edgedeviceSignedRequest": "true",
        "flotta/member-of": "tills",
    }
    assert device["metadata"]["finalizers"] == ["device-finalizer"]
    assert device["spec"]["requestTime"].endswith("Z")


async def test_missing_namespace_is_reported_and_the_device_created_when_it_appears(
    fleet: Fleet,
) -> None:
    await fleet.request("join-2", namespace="shops")
    request = await fleet.seen(SIGNED_REQUEST, "join-2", lambda obj: "shops" in pending(obj))
    assert phase("pending")(request)
    await fleet.namespace("shops")
    await fleet.seen(SIGNED_REQUEST, "join-2", phase("approved"))
    await fleet.seen(EDGE_DEVICE, "join-2", lambda _: True, namespace="shops")


async def test_claim_is_bound_after_registration_and_its_key_opens_the_bucket(
    fleet: Fleet, site: Site
) -> None:
    await fleet.request("store-1")
    await fleet.seen(SIGNED_REQUEST, "store-1", phase("approved"))
    assert await fleet.find(BUCKET_CLAIM, "store-1") is None
    await fleet.register("store-1")
    await fleet.seen(EDGE_DEVICE, "store-1", lambda d: d.get("status", {}).get("dataObc"))
    claim = await fleet.client.get(BUCKET_CLAIM, "store-1", "default")
    assert claim["status"]["phase"] == "Bound"
    data = (await fleet.client.get(CONFIG_MAP, "store-1", "default"))["data"]
    key = await bucket_key(fleet, "store-1")
    assert key.bucket == data["BUCKET_NAME"]
    assert site.s3
    assert f"https://{data['BUCKET_HOST']}:{data['BUCKET_PORT']}" == site.s3.endpoint
    client = site.s3.client(key)
    await asyncio.to_thread(client.put_object, Bucket=key.bucket, Key="x", Body=b"1")
    assert (site.s3.root / data["BUCKET_NAME"] / "x").read_bytes() == b"1"


async def bucket_key(fleet: Fleet, name: str) -> AccessKey:
    secret = (await fleet.client.get(SECRET, name, "default"))["data"]
    assert b"BEGIN CERTIFICATE" in b64decode(secret["tls.crt"])
    config = (await fleet.client.get(CONFIG_MAP, name, "default"))["data"]
    pair = [
        b64decode(secret[f"AWS_{part}"]).decode() for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    ]
    return AccessKey(pair[0], pair[1], config["BUCKET_NAME"])


async def test_lost_secret_is_replaced_and_its_key_closed(fleet: Fleet, site: Site) -> None:
    await fleet.device("heal-1")
    await fleet.seen(EDGE_DEVICE, "heal-1", lambda d: d.get("status", {}).get("dataObc"))
    old = await bucket_key(fleet, "heal-1")

    async def replaced() -> AccessKey | None:
        await fleet.client.delete(SECRET, "heal-1", "default")
        await touch(fleet, "heal-1")
        await fleet.seen(SECRET, "heal-1", lambda _: True)
        new = await bucket_key(fleet, "heal-1")
        # A reconciliation that began before the Secret was deleted restores it.
        return new if new.access_key != old.access_key else None

    new = await eventually(replaced)
    assert new
    assert new.bucket == old.bucket
    assert site.s3
    keys = site.s3.keys
    await eventually(lambda: asyncio.to_thread((keys / f"{new.access_key}.json").exists))
    await eventually(
        lambda: asyncio.to_thread(lambda: not (keys / f"{old.access_key}.json").exists())
    )


async def test_secret_that_the_claim_does_not_own_is_left_alone(fleet: Fleet) -> None:
    foreign = {"metadata": {"name": "squat-1", "namespace": "default"}}
    foreign["stringData"] = {"AWS_ACCESS_KEY_ID": "../../x", "AWS_SECRET_ACCESS_KEY": "y"}
    await fleet.client.create(SECRET, foreign)
    await fleet.device("squat-1")
    device = await fleet.seen(EDGE_DEVICE, "squat-1", is_refused)
    claim = await fleet.client.get(BUCKET_CLAIM, "squat-1", "default")
    assert claim.get("status", {}).get("phase") != "Bound"
    secret = await fleet.client.get(SECRET, "squat-1", "default")
    assert "tls.crt" not in secret["data"]
    events = await fleet.client.list(EVENT, "default")
    about = [e for e in events if e["involvedObject"].get("name") == "squat-1"]
    assert [e["reason"] for e in about] == ["ProvisioningFailed"]
    assert "Secret default/squat-1" in about[0]["message"]
    (written,) = [c for c in device["status"]["conditions"] if c["type"] == "StorageReady"]
    assert written["status"] == "False"
    assert about[0]["message"] in written["message"]
    await fleet.client.delete(SECRET, "squat-1", "default")
    await touch(fleet, "squat-1")
    await fleet.seen(EDGE_DEVICE, "squat-1", storage("True"))
    claim = await fleet.client.get(BUCKET_CLAIM, "squat-1", "default")
    assert claim["status"] == {"phase": "Bound"}


async def test_decommission_waits_for_the_device_and_removes_bucket_keys_and_request(
    fleet: Fleet, site: Site
) -> None:
    await fleet.request("leave-1")
    await fleet.seen(SIGNED_REQUEST, "leave-1", phase("approved"))
    await fleet.register("leave-1")
    await fleet.seen(EDGE_DEVICE, "leave-1", lambda d: d.get("status", {}).get("dataObc"))
    key = await bucket_key(fleet, "leave-1")
    assert site.s3
    assert key.bucket
    (site.s3.root / key.bucket / "deep").mkdir()
    (site.s3.root / key.bucket / "deep" / "file").write_bytes(b"1")
    await fleet.client.delete(EDGE_DEVICE, "leave-1", "default")
    await fleet.worked_off()
    assert await fleet.find(EDGE_DEVICE, "leave-1"), "gone before the device acknowledged"
    assert await fleet.find(BUCKET_CLAIM, "leave-1")
    await fleet.acknowledge("leave-1")
    for kind in (EDGE_DEVICE, SIGNED_REQUEST, BUCKET_CLAIM, CONFIG_MAP, SECRET):
        await fleet.gone(kind, "leave-1")
    assert not (site.s3.root / key.bucket).exists()
    assert not (site.s3.keys / f"{key.access_key}.json").exists()


async def test_membership_follows_labels_and_keeps_what_others_wrote(fleet: Fleet) -> None:
    await fleet.device("move-1", role="till")
    await fleet.workload("tills", deviceSelector={"matchLabels": {"role": "till"}})
    await fleet.workload("cameras", deviceSelector={"matchLabels": {"role": "camera"}})
    device = await fleet.seen(EDGE_DEVICE, "move-1", runs("tills"))
    assert device["status"]["workloads"] == [{"name": "tills", "phase": "Deploying"}]
    relabel = {
        "metadata": {
            "labels": {"role": "camera", "shop": "7"},
            "finalizers": ["a/b", "device-finalizer"],
        }
    }
    await fleet.client.merge_patch(EDGE_DEVICE, "move-1", "default", relabel)
    device = await fleet.seen(EDGE_DEVICE, "move-1", runs("cameras"))
    assert device["metadata"]["labels"]["shop"] == "7"
    assert "a/b" in device["metadata"]["finalizers"]
    bare = {"metadata": {"finalizers": ["device-finalizer"]}}
    await fleet.client.merge_patch(EDGE_DEVICE, "move-1", "default", bare)


async def test_reported_phase_survives_a_change_of_membership_and_is_counted(fleet: Fleet) -> None:
    await fleet.device("phase-1", role="phase")
    await fleet.workload("stays", deviceSelector={"matchLabels": {"role": "phase"}})
    await fleet.seen(EDGE_DEVICE, "phase-1", runs("stays"))
    report = {"status": {"workloads": [{"name": "stays", "phase": "Running"}]}}
    await fleet.client.merge_patch(EDGE_DEVICE, "phase-1", "default", report, "status")
    await fleet.workload("joins", device="phase-1")
    device = await fleet.seen(EDGE_DEVICE, "phase-1", runs("stays", "joins"))
    assert {"name": "stays", "phase": "Running"} in device["status"]["workloads"]
    workload = await fleet.seen(
        EDGE_WORKLOAD, "stays", lambda w: w.get("status", {}).get("running") == 1
    )
    assert (workload["status"]["matched"], workload["status"]["failed"]) == (1, 0)
    ready = next(c for c in workload["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True"
    assert workload["status"]["observedGeneration"] == workload["metadata"]["generation"]


async def test_changed_selector_and_deletion_remove_a_workload(fleet: Fleet) -> None:
    await fleet.device("aim-1", zone="a")
    await fleet.device("aim-2", zone="b")
    await fleet.workload("aimed", deviceSelector={"matchLabels": {"zone": "a"}})
    await fleet.seen(EDGE_DEVICE, "aim-1", runs("aimed"))
    aim = {"spec": {"deviceSelector": {"matchLabels": {"zone": "b"}}}}
    await fleet.client.merge_patch(EDGE_WORKLOAD, "aimed", "default", aim)
    await fleet.seen(EDGE_DEVICE, "aim-2", runs("aimed"))
    await fleet.seen(EDGE_DEVICE, "aim-1", runs())
    await fleet.client.delete(EDGE_WORKLOAD, "aimed", "default")
    await fleet.seen(EDGE_DEVICE, "aim-2", runs())


async def test_legacy_finalizer_does_not_hold_a_workload(fleet: Fleet) -> None:
    await fleet.workload("old", device="nobody")
    old = {"metadata": {"finalizers": ["yggdrasil-device-reference-finalizer"]}}
    await fleet.client.merge_patch(EDGE_WORKLOAD, "old", "default", old)
    await fleet.client.delete(EDGE_WORKLOAD, "old", "default")
    await fleet.gone(EDGE_WORKLOAD, "old")


async def test_set_counts_its_members(fleet: Fleet) -> None:
    await fleet.device_set("north")
    for number in range(3):
        await fleet.device(f"north-{number}", **{"flotta/member-of": "north"})
    await fleet.seen(EDGE_DEVICE_SET, "north", lambda s: s.get("status", {}).get("members") == 3)


async def test_external_storage_gets_no_claim(fleet: Fleet) -> None:
    metadata = {"name": "external-1", "namespace": "default"}
    s3 = {"s3": {"secretName": "s", "configMapName": "c"}}
    await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {"storage": s3}})
    await fleet.seen(EDGE_DEVICE, "external-1", lambda d: d["metadata"].get("finalizers"))
    await fleet.worked_off()
    assert await fleet.find(BUCKET_CLAIM, "external-1") is None
