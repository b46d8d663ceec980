"""`flotta device quarantine` with operator, Edge API and S3 as processes, on both engines.

The embedded S3 server gets its keys by the directory on the embedded engine, by IAM on Kubernetes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from edge_site import Fleet, fleet_of
from operator_site import ENGINES
from quarantine_site import Place, joined, key_of, opens, quarantine_site
from s3_server import S3Server, starts

from flotta.resources.conditions import QUARANTINED, find_condition
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, SECRET
from flotta.storage.access_keys import AccessKey
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

Object = dict[str, Any]


@pytest.fixture(scope="module", params=ENGINES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with quarantine_site(tmp_path_factory.mktemp("quarantine"), request.param) as place:
        yield place


@pytest.fixture
async def fleet(place: Place) -> AsyncIterator[Fleet]:
    async with fleet_of(place.edge) as fleet:
        yield fleet


async def said(fleet: Fleet, name: str, reason: str) -> str:
    """Return the message of condition Quarantined once it has this reason."""

    async def look() -> str | None:
        device = await fleet.client.get(EDGE_DEVICE, name, "default")
        found = find_condition(device["status"].get("conditions"), QUARANTINED)
        return found["message"] if found and found["reason"] == reason else None

    found: str = await eventually(look)
    return found


async def test_keys_and_certificate_are_closed_until_the_device_is_released(
    place: Place, fleet: Fleet
) -> None:
    device, other = await joined(fleet), await joined(fleet)
    old, neighbour = await key_of(device), await key_of(other)
    assert opens(place.s3, old)
    assert opens(place.s3, neighbour)
    before = len(starts(place.s3.log))

    done = place.flotta("device", "quarantine", device.device_id, "--reason", "Left in a taxi")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"default/{device.device_id} is quarantined.\n")
    assert "Left in a taxi" in done.stdout
    assert f"keys of ObjectBucketClaim {device.device_id} are revoked" in done.stdout
    assert (await device.get("control")).json()["pods"] == "Stop"
    await eventually(lambda: is_closed(place.s3, old))
    assert opens(place.s3, neighbour)
    claim = await fleet.client.get(BUCKET_CLAIM, device.device_id, "default")
    assert [item["reason"] for item in claim["status"]["conditions"]] == ["KeysRevoked"]
    secret = await fleet.client.get(SECRET, device.device_id, "default")
    assert "AWS_SECRET_ACCESS_KEY" not in secret["data"]
    assert (place.s3.root / str(old.bucket) / "probe").read_bytes() == b"1"
    assert "quarantined" in place.flotta("status").stdout

    done = place.flotta("device", "release", device.device_id)

    assert done.returncode == 0, done.stderr
    new = await key_of(device, other_than=old)
    assert new.bucket == old.bucket
    await eventually(lambda: is_open(place.s3, new))
    assert not opens(place.s3, old)
    assert opens(place.s3, neighbour)
    assert len(starts(place.s3.log)) == before
    claim = await fleet.client.get(BUCKET_CLAIM, device.device_id, "default")
    assert claim["status"]["phase"] == "Bound"
    await device.close()
    await other.close()


async def is_closed(s3: S3Server, key: AccessKey) -> bool:
    return not await asyncio.to_thread(opens, s3, key)


async def is_open(s3: S3Server, key: AccessKey) -> bool:
    return await asyncio.to_thread(opens, s3, key)


async def test_the_key_of_another_s3_server_is_named_with_its_secret(
    place: Place, fleet: Fleet
) -> None:
    device = await joined(fleet)
    await key_of(device)
    storage = {"storage": {"s3": {"secretName": "minio", "configMapName": "minio"}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", {"spec": storage})
    if await fleet.client.get_or_none(SECRET, "minio", "default") is None:
        await fleet.client.create(
            SECRET,
            {
                "metadata": {"name": "minio", "namespace": "default"},
                "stringData": {"AWS_ACCESS_KEY_ID": "AKIAMINIO", "AWS_SECRET_ACCESS_KEY": "s"},
            },
        )

    done = place.flotta("device", "quarantine", "--keep-pods", device.device_id)

    assert done.returncode == 0, done.stderr
    assert (
        "To revoke at its S3 server: access key AKIAMINIO, in Secret default/minio" in done.stdout
    )
    assert "Its pods keep running." in await said(fleet, device.device_id, "ForeignKeys")
    assert (await device.get("control")).json()["pods"] == "Keep"
    explained = place.flotta("explain", "device", device.device_id).stdout
    assert "Secret minio was not issued by flotta" in explained
    await device.close()


async def test_a_quarantine_by_hand_is_as_good(place: Place, fleet: Fleet) -> None:
    device = await joined(fleet)
    old = await key_of(device)
    patch: Object = {"spec": {"quarantine": {}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", patch)

    await said(fleet, device.device_id, "Refused")

    assert await is_closed(place.s3, old)
    assert (await device.get("control")).status == 403
    await device.close()


def test_a_name_that_does_not_exist_changes_nothing(place: Place) -> None:
    done = place.flotta("device", "quarantine", "nowhere-1")

    assert done.returncode == 1
    assert "there is no device nowhere-1 in namespace default; nothing was changed" in done.stderr
