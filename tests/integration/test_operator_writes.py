"""What the operator writes when a workload comes: as little as possible, on either engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from operator_site import ENGINES, Fleet, changes, operator_site

from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from waiting import eventually

Object = dict[str, Any]
TILLS = 200
CAMERAS = 100


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_selected_device_gets_one_status_write_and_the_others_none(
    tmp_path: Path, engine: str
) -> None:
    with operator_site(tmp_path, engine, OBC_AUTO_CREATE="false") as site:
        async with await Client.connect(site.kubeconfig()) as client:
            fleet = Fleet(client)
            for number in range(TILLS):
                await fleet.device(f"till-{number}", role="till")
            for number in range(CAMERAS):
                await fleet.device(f"camera-{number}", role="camera")
            await eventually(lambda: taken(client), 60)
            before, version = await client.list_with_version(EDGE_DEVICE)
            await fleet.workload("printer", deviceSelector={"matchLabels": {"role": "till"}})
            await fleet.seen(
                EDGE_WORKLOAD,
                "printer",
                lambda w: w.get("status", {}).get("matched") == TILLS,
                seconds=60,
            )
            await eventually(lambda: labelled(client), 60)
            writes = await status_writes(client, before, version)
            assert writes == {f"till-{number}": 1 for number in range(TILLS)}
            after = versions(await client.list(EDGE_DEVICE))
            unchanged = {name for name, known in versions(before).items() if after[name] == known}
            assert unchanged == {f"camera-{number}" for number in range(CAMERAS)}


async def taken(client: Client) -> bool:
    devices = await client.list(EDGE_DEVICE)
    return all(device.get("status", {}).get("conditions") for device in devices)


async def labelled(client: Client) -> bool:
    devices = await client.list(EDGE_DEVICE, label_selector="workload/printer=true")
    return len(devices) == TILLS


def versions(devices: list[Object]) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in devices}


async def status_writes(client: Client, before: list[Object], version: str) -> dict[str, int]:
    """Count for each device how often its status became another one since then."""
    counts: dict[str, int] = {}
    last = {device["metadata"]["name"]: json.dumps(device["status"]) for device in before}
    for device in await changes(client, EDGE_DEVICE, version):
        name, status = device["metadata"]["name"], json.dumps(device.get("status", {}))
        if last[name] != status:
            counts[name] = counts.get(name, 0) + 1
        last[name] = status
    return counts
