"""An operator that is killed at any moment: its next start, or another one, finishes its work."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from operator_site import (
    ENGINES,
    Fleet,
    Site,
    changes,
    resource_api,
    running_operator,
    s3_settings,
)
from s3_server import running_s3
from shared_cluster import shared_cluster

from flotta.resources.client import Client
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_WORKLOAD,
    LEASE,
    SECRET,
    SIGNED_REQUEST,
)
from waiting import eventually, settles

pytestmark = pytest.mark.on_one_engine

Object = dict[str, Any]
TAKEOVER_SECONDS = 60.0  # 15 without a renewal, 2.5 between two attempts, and a loaded machine


@dataclass(frozen=True)
class Turmoil:
    """How many devices are created and deleted, and how often the operator is killed."""

    devices: int
    leaving: int
    kills: int

    @property
    def staying(self) -> set[str]:
        return {f"d-{number}" for number in range(self.leaving, self.devices)}


@pytest.fixture(params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Return a resource API and S3, no operator yet."""
    with resource_api(tmp_path, request.param) as access, ExitStack() as stack:
        (tmp_path / "s3").mkdir()
        s3 = stack.enter_context(running_s3(tmp_path / "s3"))
        yield Site(tmp_path, tmp_path / "operator.log", s3, access)


def is_settled(device: Object) -> bool:
    """Tell whether a remaining device has all that the operator gives it, once."""
    status, labels = device.get("status", {}), device["metadata"].get("labels", {})
    names = [entry["name"] for entry in status.get("workloads", [])]
    return (
        names == ["everywhere"]
        and {key for key in labels if key.startswith("workload/")} == {"workload/everywhere"}
        and status.get("dataObc") == device["metadata"]["name"]
        and device["metadata"].get("finalizers") == ["device-finalizer"]
    )


async def settled(fleet: Fleet, turmoil: Turmoil) -> bool:
    devices = await fleet.client.list(EDGE_DEVICE)
    return len(devices) == len(turmoil.staying) and all(map(is_settled, devices))


async def disturb(fleet: Fleet, turmoil: Turmoil) -> None:
    """Give the operator work of every kind while it is being killed."""
    for number in range(turmoil.devices):
        await fleet.request(f"d-{number}")
    await fleet.workload("everywhere", deviceSelector={})
    await fleet.workload("short-lived", deviceSelector={})
    for number in range(turmoil.devices):
        await fleet.seen(EDGE_DEVICE, f"d-{number}", lambda _: True, seconds=90)
        await fleet.register(f"d-{number}")
    await fleet.client.delete(EDGE_WORKLOAD, "short-lived", "default")
    for number in range(turmoil.leaving):
        await fleet.client.delete(EDGE_DEVICE, f"d-{number}", "default")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "turmoil",
    [Turmoil(6, 2, 3), pytest.param(Turmoil(24, 6, 8), marks=pytest.mark.deep)],
    ids=["some", "many"],
)
async def test_operator_killed_at_random_moments_reconciles_everything(
    site: Site, turmoil: Turmoil
) -> None:
    assert site.s3
    settings = {**s3_settings(site.s3), "DECOMMISSION_TIMEOUT": "1"}
    moments = random.Random(4)
    async with await Client.connect(site.kubeconfig()) as client:
        fleet = Fleet(client)
        disturbing = asyncio.create_task(disturb(fleet, turmoil))
        kills = 0
        while kills < turmoil.kills or not disturbing.done():
            with running_operator(site, **settings) as pid:
                await asyncio.sleep(moments.uniform(0.05, 1.5))
                os.kill(pid, signal.SIGKILL)
            kills += 1
        await disturbing
        with running_operator(site, **settings):
            await eventually(lambda: settled(fleet, turmoil), 90)
            await fleet.seen(
                EDGE_WORKLOAD,
                "everywhere",
                lambda w: w.get("status", {}).get("matched") == len(turmoil.staying),
            )
            await settles(lambda: nothing_is_left_behind(fleet, site, turmoil))


async def nothing_is_left_behind(fleet: Fleet, site: Site, turmoil: Turmoil) -> None:
    """Only claims, Secrets, keys and buckets of the remaining devices exist."""
    assert site.s3
    for kind in (BUCKET_CLAIM, SIGNED_REQUEST):
        assert {
            item["metadata"]["name"] for item in await fleet.client.list(kind)
        } == turmoil.staying
    for number in range(turmoil.leaving):
        assert await fleet.find(SECRET, f"d-{number}") is None
        assert await fleet.find(CONFIG_MAP, f"d-{number}") is None
    keys = [json.loads(path.read_text()) for path in site.s3.keys.glob("*.json")]
    claims = await fleet.client.list(BUCKET_CLAIM)
    buckets = {claim["spec"]["bucketName"] for claim in claims}
    assert {path.name for path in site.s3.root.iterdir() if path.is_dir()} == buckets
    assert sorted(key["bucket"] for key in keys if key.get("bucket")) == sorted(buckets)


async def lease_of(client: Client, *others: str) -> Object:
    """Return the Lease while another process holds it."""
    lease = await Fleet(client).find(LEASE, "flotta-operator", "flotta")
    return lease["spec"] if lease and lease["spec"]["holderIdentity"] not in ("", *others) else {}


async def test_other_operator_takes_over_from_a_killed_leader_without_doing_work_twice(
    site: Site,
) -> None:
    settings = {"LEADER_ELECT": "true", "OBC_AUTO_CREATE": "false"}
    async with await Client.connect(site.kubeconfig()) as client:
        fleet = Fleet(client)
        with ExitStack() as operators:
            first = operators.enter_context(running_operator(site, **settings))
            leader = (await eventually(lambda: lease_of(client)))["holderIdentity"]
            operators.enter_context(running_operator(site, **settings))
            assert (await lease_of(client))["holderIdentity"] == leader
            for number in range(30):
                await fleet.device(f"d-{number}")
            await eventually(lambda: taken(client))
            _, version = await client.list_with_version(EDGE_DEVICE)
            await fleet.workload("everywhere", deviceSelector={})
            await fleet.seen(EDGE_DEVICE, "d-9", lambda d: d["status"].get("workloads"))
            os.kill(first, signal.SIGKILL)
            renewed = (await lease_of(client))["renewTime"]
            taken_over = await eventually(lambda: lease_of(client, leader), TAKEOVER_SECONDS)
            waited = moment(taken_over["acquireTime"]) - moment(renewed)
            assert waited > timedelta(seconds=14), "it did not wait for the leader"
            await fleet.workload("later", device="d-3")
            await fleet.seen(
                EDGE_DEVICE, "d-3", lambda d: len(d["status"].get("workloads", [])) == 2
            )
            await eventually(lambda: listed(client, "everywhere"))
            writes = await writes_since(client, version)
            assert {name: count for name, count in writes.items() if count != 2} == {"d-3": 4}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def taken(client: Client) -> bool:
    devices = await client.list(EDGE_DEVICE)
    return all(device.get("status", {}).get("conditions") for device in devices)


async def listed(client: Client, workload: str) -> bool:
    devices = await client.list(EDGE_DEVICE)
    return all(
        workload in [entry["name"] for entry in device.get("status", {}).get("workloads", [])]
        for device in devices
    )


async def writes_since(client: Client, version: str) -> dict[str, int]:
    """Count the writes of each device: one of its labels and one of its status for a workload."""
    counts: dict[str, int] = {}
    for device in await changes(client, EDGE_DEVICE, version):
        name = device["metadata"]["name"]
        counts[name] = counts.get(name, 0) + 1
    return counts


async def test_operator_continues_when_the_api_server_comes_back(tmp_path: Path) -> None:
    with shared_cluster() as cluster:
        site = Site(tmp_path, tmp_path / "operator.log", None, cluster.kubeconfig)
        with running_operator(site, OBC_AUTO_CREATE="false"):
            async with await Client.connect(site.kubeconfig()) as client:
                fleet = Fleet(client)
                await fleet.device("before")
                await fleet.seen(EDGE_DEVICE, "before", lambda d: d.get("status"))
                await asyncio.to_thread(cluster.restart_api_server)
                await fleet.device("after")
                await fleet.workload("everywhere", deviceSelector={})
                await eventually(lambda: listed(client, "everywhere"), 60)
