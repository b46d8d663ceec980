"""One operator works at a time: the one that holds the Lease."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from operator_site import (
    ENGINES,
    Fleet,
    embedded_api,
    has_ended,
    operator_site,
    running_operator,
)

from flotta.operator.runtime import leader_election
from flotta.operator.runtime.leader_election import LeaderElection, run_as_leader
from flotta.own_names import OPERATOR
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, LEASE
from waiting import eventually

Object = dict[str, Any]
SETTINGS = {"LEADER_ELECT": "true", "OBC_AUTO_CREATE": "false"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[int]:
    with embedded_api(tmp_path) as pid:
        yield pid


async def holder(client: Client) -> str:
    lease = await Fleet(client).find(LEASE, OPERATOR, "flotta")
    return str(lease["spec"]["holderIdentity"]) if lease else ""


async def test_second_operator_takes_over_when_the_leader_ends(tmp_path: Path, engine: str) -> None:
    with operator_site(tmp_path, engine, **SETTINGS) as site:
        async with await Client.connect(site.kubeconfig()) as client:
            fleet = Fleet(client)
            lease = await fleet.seen(
                LEASE, OPERATOR, lambda o: o["spec"]["holderIdentity"], "flotta"
            )
            first = lease["spec"]["holderIdentity"]
            with running_operator(site, **SETTINGS):
                lease = await client.get(LEASE, OPERATOR, "flotta")
                assert lease["spec"]["holderIdentity"] == first
                ended = datetime.now(UTC)
                os.kill(int(first.rsplit("_", 1)[1]), signal.SIGTERM)
                lease = await fleet.seen(
                    LEASE,
                    OPERATOR,
                    lambda o: o["spec"]["holderIdentity"] not in ("", first),
                    "flotta",
                )
                assert datetime.fromisoformat(lease["spec"]["acquireTime"]) > ended
                await fleet.device("led-1", role="x")
                await fleet.seen(EDGE_DEVICE, "led-1", lambda d: d["metadata"].get("finalizers"))


async def test_operator_whose_lease_is_taken_away_stops_working(tmp_path: Path) -> None:
    with operator_site(tmp_path, **SETTINGS) as site:
        async with await Client.connect(site.kubeconfig()) as client:
            fleet = Fleet(client)
            leading = await eventually(lambda: holder(client))
            taken = {"spec": {"holderIdentity": "another", "leaseDurationSeconds": 3600}}
            await client.merge_patch(LEASE, OPERATOR, "flotta", taken)

            await eventually(
                lambda: "another operator may be the leader now" in site.operator_log.read_text()
            )
            await eventually(lambda: has_ended(int(leading.rsplit("_", 1)[1])))
            await fleet.device("late-1")
            device = await client.get(EDGE_DEVICE, "late-1", "default")
            assert "finalizers" not in device["metadata"]
            assert await holder(client) == "another"


async def test_lease_is_held_until_calls_in_threads_are_over(tmp_path: Path, api: int) -> None:
    assert api
    begun, may_end = threading.Event(), threading.Event()

    async def work() -> None:
        await asyncio.to_thread(lambda: (begun.set(), may_end.wait(60)))

    async with await operator_client(tmp_path) as client:
        leading = asyncio.create_task(run_as_leader(LeaderElection(client, "us"), work))
        await asyncio.to_thread(begun.wait, 60)
        leading.cancel()
        for _ in range(5):
            assert await holder(client) == "us"
        assert not leading.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await leading
        assert await holder(client) == ""


async def test_work_ends_in_time_when_the_api_hangs(
    tmp_path: Path, api: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_election, "RENEW_INTERVAL", 1.0)
    monkeypatch.setattr(leader_election, "RENEW_DEADLINE", 2.0)
    begun, ended = asyncio.Event(), list[float]()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(time.monotonic())

    async with await operator_client(tmp_path) as client:
        leading = asyncio.create_task(run_as_leader(LeaderElection(client, "us"), work))
        await begun.wait()
        stopped = time.monotonic()
        os.kill(api, signal.SIGSTOP)
        try:
            await asyncio.wait_for(leading, 60)
        finally:
            os.kill(api, signal.SIGCONT)
        assert ended[0] - stopped < leader_election.LEASE_DURATION  # no other process leads before


async def operator_client(directory: Path) -> Client:
    return await Client.connect(str(directory / "kubeconfig" / "operator.kubeconfig"))
