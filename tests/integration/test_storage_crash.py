"""An operator that is killed again and again leaves no key, user or bucket behind, and none out."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from operator_site import Fleet, Site, resource_api, running_operator
from s3_server import S3Server, running_s3
from storage_site import iam_settings

from flotta.resources.client import Client
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, SECRET
from waiting import NotInTimeError, eventually, settles

PATIENCE = 3.0  # seconds without anything happening
SETTINGS = {
    "OBC_AUTO_CREATE": "true",
    "DECOMMISSION_TIMEOUT": "1",
    "MAX_CONCURRENT_RECONCILES": "8",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("claimed", "kills"), [(3, 3), pytest.param(8, 4, marks=pytest.mark.deep)])
async def test_operator_killed_at_any_point_converges_after_restart(
    tmp_path: Path, claimed: int, kills: int
) -> None:
    (tmp_path / "s3").mkdir()
    with (
        running_s3(tmp_path / "s3", iam=True) as s3,
        resource_api(tmp_path, "kubernetes") as access,
    ):
        site = Site(tmp_path, tmp_path / "operator.log", s3, access)
        settings = SETTINGS | iam_settings(tmp_path, s3)
        async with await Client.connect(site.kubeconfig()) as client:
            fleet = Fleet(client)
            for number in range(claimed):
                await fleet.device(f"till-{number}")
            await killed_often(site, settings, kills)
            with running_operator(site, **settings):
                await eventually(lambda: all_bound(client, claimed), 60)
                await settles(lambda: keys_are_those_of_the_secrets(client, s3, claimed))

            for number in range(claimed):
                await client.delete(EDGE_DEVICE, f"till-{number}", "default")
            await killed_often(site, settings, kills)
            with running_operator(site, **settings):
                await eventually(lambda: none_left(client), 60)
            assert keys_by_bucket(s3) == {}
            assert not list(s3.root.iterdir())
            assert not list((s3.keys / "users").iterdir())


async def killed_often(site: Site, settings: dict[str, str], kills: int) -> None:
    """Kill operators when the S3 server has just done something for them, or at random."""
    assert site.s3 is not None
    chance = random.Random(4)
    for number in range(kills):
        before = changes(site.s3)
        with running_operator(site, **settings) as pid:
            if number % 3 == 2:
                time.sleep(chance.uniform(0, 0.6))
            else:
                await something_happens(site.s3, before)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def something_happens(s3: S3Server, before: set[str]) -> None:
    """Return at once when something more was created; there may be nothing left to create."""
    with suppress(NotInTimeError):
        await eventually(lambda: changes(s3) != before, PATIENCE, pause=0.0005)


def changes(s3: S3Server) -> set[str]:
    """Return the names of what an operator had made: access keys and buckets."""
    return {*os.listdir(s3.keys), *os.listdir(s3.root)} - {"dropped"}


async def keys_are_those_of_the_secrets(client: Client, s3: S3Server, claimed: int) -> None:
    assert await secrets(client) == keys_by_bucket(s3)
    assert len(keys_by_bucket(s3)) == claimed
    assert {path.name for path in s3.root.iterdir()} == set(keys_by_bucket(s3))


async def all_bound(client: Client, claimed: int) -> bool:
    claims = await client.list(BUCKET_CLAIM, "default")
    bound = [claim for claim in claims if claim.get("status", {}).get("phase") == "Bound"]
    return len(bound) == claimed


async def none_left(client: Client) -> bool:
    return not await client.list(BUCKET_CLAIM) and not await client.list(EDGE_DEVICE)


async def secrets(client: Client) -> dict[str, set[str]]:
    """Return what the claims' Secrets say: the id of the access key by bucket."""
    found: dict[str, set[str]] = {}
    for claim in await client.list(BUCKET_CLAIM, "default"):
        secret: Any = await client.get(SECRET, claim["metadata"]["name"], "default")
        access_key = b64decode(secret["data"]["AWS_ACCESS_KEY_ID"]).decode()
        found[claim["spec"]["bucketName"]] = {access_key}
    return found


def keys_by_bucket(s3: S3Server) -> dict[str, set[str]]:
    """Return what the server accepts: ids of access keys by bucket, without the administrator's."""
    found: dict[str, set[str]] = {}
    for path in s3.keys.glob("*.json"):
        key = json.loads(path.read_text())
        if key["bucket"] is not None:
            found.setdefault(key["bucket"], set()).add(key["access_key"])
    return found
