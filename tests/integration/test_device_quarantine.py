"""`flotta device quarantine` with operator, Edge API and S3 as processes, on both engines.

The embedded S3 server gets its keys by the directory on the embedded engine, by IAM on Kubernetes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from edge_site import Device, Fleet, edge_api, fleet_of
from edge_site import Site as EdgeSite
from operator_site import ENGINES, Site, resource_api, running_operator, s3_settings
from s3_server import S3Server, running_s3, starts
from storage_site import delivered, iam_settings

from flotta.resources.conditions import QUARANTINED, find_condition
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, SECRET, SIGNED_REQUEST
from flotta.storage.access_keys import AccessKey
from waiting import eventually

Object = dict[str, Any]
SOURCE = str(Path(__file__).parents[2] / "src")


@dataclass
class Place:
    """Everything that runs, and where."""

    operator: Site
    edge: EdgeSite
    s3: S3Server

    def flotta(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as an administrator."""
        return subprocess.run(
            [sys.executable, "-m", "flotta.cli.flotta", *arguments],
            env={**os.environ, "PYTHONPATH": SOURCE, "KUBECONFIG": self.operator.kubeconfig()},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module", params=ENGINES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("quarantine")
    (directory / "s3").mkdir()
    with ExitStack() as stack:
        s3 = stack.enter_context(running_s3(directory / "s3", iam=True))
        access = stack.enter_context(resource_api(directory, request.param))
        operator = Site(directory, directory / "operator.log", s3, access)
        by_directory = request.param == "embedded"
        settings = s3_settings(s3) if by_directory else iam_settings(directory, s3)
        stack.enter_context(running_operator(operator, OBC_AUTO_CREATE="true", **settings))
        edge = stack.enter_context(edge_api(directory, access))
        yield Place(operator, edge, s3)


@pytest.fixture
async def fleet(place: Place) -> AsyncIterator[Fleet]:
    async with fleet_of(place.edge) as fleet:
        yield fleet


async def joined(fleet: Fleet) -> Device:
    """Return a registered device; the operator approves and gives it a bucket."""
    device = fleet.device()
    assert (await device.enrol()).status == 200
    approved = {"spec": {"approved": True}}
    await fleet.client.merge_patch(SIGNED_REQUEST, device.device_id, "default", approved)

    async def is_registered() -> bool:
        return (await device.register(hostname=device.device_id)).status == 200

    await eventually(is_registered)
    return device


async def key_of(device: Device, other_than: AccessKey | None = None) -> AccessKey:
    """Return the access key in the configuration of a device."""

    async def look() -> AccessKey | None:
        reply = await device.get("data")
        if reply.status != 200:
            return None
        _, section = await delivered(device)
        if not section:
            return None
        found, secret = (
            b64decode(section[f"aws_{part}"]).decode()
            for part in ("access_key_id", "secret_access_key")
        )
        key = AccessKey(found, secret, section["bucket_name"])
        return None if key == other_than else key

    found: AccessKey = await eventually(look)
    return found


def opens(s3: S3Server, key: AccessKey) -> bool:
    client = s3.client(key)
    try:
        client.put_object(Bucket=key.bucket, Key="probe", Body=b"1")
        client.get_object(Bucket=key.bucket, Key="probe")["Body"].read()
    except (ClientError, BotoCoreError):
        return False
    return True


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
