"""The Edge API stops without losing anything, and refuses to start on nonsense."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_site import SOURCE, Site, edge_site, fleet_of
from operator_site import has_ended

from flotta.resources.kinds import EDGE_DEVICE
from waiting import eventually


async def test_a_stopping_server_answers_what_it_holds_and_writes_what_it_knows(
    tmp_path: Path,
) -> None:
    with edge_site(tmp_path, EDGE_API_DRAIN_SECONDS="1") as site:
        async with fleet_of(site) as fleet:
            device = await fleet.joined()
            await device.beat()
            first = (await fleet.get(device))["status"]["lastSeenTime"]
            found, _ = await asyncio.gather(device.get("data"), device.get("control"))
            etag = found.headers["ETag"]
            later = datetime.fromisoformat(first) + timedelta(seconds=1)  # it has no fractions
            await eventually(lambda: datetime.now(UTC) >= later)
            held = asyncio.create_task(device.get("data", If_None_Match=etag, Prefer="wait=50"))
            commanded = asyncio.create_task(device.get("control", Prefer="wait=50"))
            again = fleet.stranger(device.device_id, device.identity)
            assert (await again.beat()).status == 200  # on a new connection: the others were read

            os.kill(site.pid, signal.SIGTERM)

            assert (await asyncio.wait_for(held, 30)).status == 304
            assert ((await commanded).status, (await commanded).body) == (200, b"")
            await eventually(lambda: has_ended(site.pid))
            seen = await fleet.client.get(EDGE_DEVICE, device.device_id, "default")
            assert seen["status"]["lastSeenTime"] > first
            await again.close()
            await device.close()


async def test_a_draining_server_is_not_ready_but_serves(tmp_path: Path) -> None:
    with edge_site(tmp_path, EDGE_API_DRAIN_SECONDS="300") as site:
        async with fleet_of(site) as fleet:
            device = await fleet.joined()
            etag = (await device.get("data")).headers["ETag"]
            held = await device.held(device.get("data", If_None_Match=etag, Prefer="wait=50"))

            os.kill(site.pid, signal.SIGTERM)

            assert await eventually(lambda: asyncio.to_thread(unready, site))
            late = fleet.device(device.device_id)
            late.key = device.key
            assert (await late.enrol()).status == 208  # on a connection of its own
            assert not held.done()
            held.cancel()
            os.kill(site.pid, signal.SIGKILL)
            await late.close()
            await device.close()


def unready(site: Site) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{site.monitoring_port}/readyz", timeout=10)
    except urllib.error.HTTPError as error:
        return error.code == 503
    return False


def test_an_unknown_backend_is_refused_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flotta.cli.edge_api"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "BACKEND": "remot"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert "BACKEND is 'remot'; use crd or remote" in done.stderr
