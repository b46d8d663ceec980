"""The Edge API stops without losing anything, and refuses to start on nonsense."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge_site import (
    SOURCE,
    Site,
    eventually,
    fleet_of,
    free_port,
    process,
    resource_api,
    wait_for_ready,
)

from flotta.resources.kinds import EDGE_DEVICE


async def test_a_stopping_server_answers_what_it_holds_and_writes_what_it_knows(
    tmp_path: Path,
) -> None:
    with resource_api(tmp_path) as kubeconfigs:
        port, monitoring = free_port(), free_port()
        env = {
            "KUBECONFIG": str(kubeconfigs / "edge-api.kubeconfig"),
            "BIND_ADDRESS": "127.0.0.1",
            "HTTPS_PORT": str(port),
            "METRICS_ADDR": f"127.0.0.1:{monitoring}",
        }
        site = Site(tmp_path, kubeconfigs / "admin.kubeconfig", port, monitoring, env)
        with process(tmp_path / "edge-api.log", env, "flotta.cli.edge_api") as pid:
            await asyncio.to_thread(wait_for_ready, site)
            async with fleet_of(site) as fleet:
                device = await fleet.joined()
                await device.beat()
                first = (await fleet.get(device))["status"]["lastSeenTime"]
                etag = (await device.get("data")).headers["ETag"]
                await asyncio.sleep(1.1)
                await device.beat()
                held = asyncio.create_task(device.get("data", If_None_Match=etag, Prefer="wait=20"))
                commanded = asyncio.create_task(device.get("control", Prefer="wait=20"))
                await asyncio.sleep(0.3)

                os.kill(pid, signal.SIGTERM)
                started = time.monotonic()

                assert (await held).status == 304
                assert ((await commanded).status, (await commanded).body) == (200, b"")
                await eventually(lambda: _gone(pid))
                assert time.monotonic() - started < 4
                seen = await fleet.client.get(EDGE_DEVICE, device.device_id, "default")
                assert seen["status"]["lastSeenTime"] > first
                await device.close()


async def _gone(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_an_unknown_backend_is_refused_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flotta.cli.edge_api"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "BACKEND": "remot"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert done.returncode == 2
    assert "BACKEND is 'remot'; this program knows: crd" in done.stderr
