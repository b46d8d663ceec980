"""What the operator writes for a new workload or after a restart: as little as possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from operator_site import ENGINES, Fleet, changes, operator_site, phase, running_operator, truths

from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, SIGNED_REQUEST
from servers.ports import free_port
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("tills", "cameras"), [(40, 20), pytest.param(200, 100, marks=pytest.mark.deep)]
)
@pytest.mark.parametrize("engine", ENGINES)
async def test_each_selected_device_gets_one_status_write_and_the_others_none(
    tmp_path: Path, engine: str, tills: int, cameras: int
) -> None:
    with operator_site(tmp_path, engine, OBC_AUTO_CREATE="false") as site:
        async with await Client.connect(site.kubeconfig()) as client:
            fleet = Fleet(client)
            for number in range(tills):
                await fleet.device(f"till-{number}", role="till")
            for number in range(cameras):
                await fleet.device(f"camera-{number}", role="camera")
            await eventually(lambda: taken(client), 60)
            before, version = await client.list_with_version(EDGE_DEVICE)
            await fleet.workload("printer", deviceSelector={"matchLabels": {"role": "till"}})
            await fleet.seen(
                EDGE_WORKLOAD,
                "printer",
                lambda w: w.get("status", {}).get("matched") == tills,
                seconds=60,
            )
            await eventually(lambda: labelled(client, tills), 60)
            writes = await status_writes(client, before, version)
            assert writes == {f"till-{number}": 1 for number in range(tills)}
            after = versions(await client.list(EDGE_DEVICE))
            unchanged = {name for name, known in versions(before).items() if after[name] == known}
            assert unchanged == {f"camera-{number}" for number in range(cameras)}


async def taken(client: Client) -> bool:
    devices = await client.list(EDGE_DEVICE)
    return all(device.get("status", {}).get("conditions") for device in devices)


async def labelled(client: Client, tills: int) -> bool:
    devices = await client.list(EDGE_DEVICE, label_selector="workload/printer=true")
    return len(devices) == tills


def versions(devices: list[Object]) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in devices}


async def status_writes(client: Client, before: list[Object], version: str) -> dict[str, int]:
    """Count for each device how often its status changed since then."""
    counts: dict[str, int] = {}
    last = {device["metadata"]["name"]: json.dumps(device["status"]) for device in before}
    for device in await changes(client, EDGE_DEVICE, version):
        name, status = device["metadata"]["name"], json.dumps(device.get("status", {}))
        if last[name] != status:
            counts[name] = counts.get(name, 0) + 1
        last[name] = status
    return counts


async def has_looked(address: str, kind: str) -> bool:
    """Tell whether an operator has finished an object of a kind."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as said:
        series = f'flotta_operator_reconciles_total{{controller="{kind}",result="success"}}'
        text = await said.text()
        assert series in text
        return f"{series} 0" not in text


@pytest.mark.parametrize("engine", ENGINES)
async def test_manual_approval_waits_without_growing_and_restart_writes_nothing(
    tmp_path: Path, engine: str
) -> None:
    with operator_site(
        tmp_path, engine, AUTO_APPROVAL_PROCESS="false", OBC_AUTO_CREATE="false"
    ) as site:
        async with await Client.connect(site.kubeconfig()) as client:
            fleet = Fleet(client)
            await fleet.request("manual-1")
            request = await fleet.seen(SIGNED_REQUEST, "manual-1", phase("pending"))
            assert truths(request)["pending"] == "True"
            assert await fleet.find(EDGE_DEVICE, "manual-1") is None
            approval = {"spec": {"approved": True}}
            await client.merge_patch(SIGNED_REQUEST, "manual-1", "default", approval)
            request = await fleet.seen(SIGNED_REQUEST, "manual-1", phase("approved"))
            device = await fleet.seen(EDGE_DEVICE, "manual-1", truths)
            await fleet.worked_off()
            address = f"127.0.0.1:{free_port()}"
            with running_operator(
                site,
                AUTO_APPROVAL_PROCESS="false",
                OBC_AUTO_CREATE="false",
                METRICS_ADDR=address,
            ):
                for kind in ("EdgeDeviceSignedRequest", "EdgeDevice"):
                    await eventually(lambda looked=kind: has_looked(address, looked))
                await fleet.worked_off()
            assert await client.get(SIGNED_REQUEST, "manual-1", "default") == request
            assert await client.get(EDGE_DEVICE, "manual-1", "default") == device
