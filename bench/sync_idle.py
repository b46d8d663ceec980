"""Measure an idle synchronisation cycle: CPU, requests and memory with 10,000 files each way.

Method: a real `rclone serve s3` over TLS (tests/integration/s3_server.py) holds 10,000 objects, the
export directory has 10,000 files in 100 directories. After the first synchronisation, N cycles run
back to back in this process, and process time is divided by N. Requests are counted in the server's
access log. Usage: PYTHONPATH=src:tests:tests/integration python bench/sync_idle.py [files] [cycles]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from s3_server import running_s3
from sync_site import BUCKET, Site, make_site

from flotta.sync.loop import DataPath, SyncLoop, SyncWorkload

UP = [DataPath("stats", "statistics")]
DOWN = [DataPath("configuration", "config")]


def pss() -> float:
    """Return this process's proportional set size in MB."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def measure(site: Site, name: str, workload: SyncWorkload, cycles: int) -> None:
    loop = SyncLoop(site.base / "state", site.volumes, quiet_period=0.1)
    loop.configure(site.storage, [workload])
    begun = time.monotonic()
    await loop._run_cycle()
    first = time.monotonic() - begun
    await asyncio.sleep(0.5)
    before = Counter(line.split()[0] for line in site.server.requests(""))
    cpu, wall = time.process_time(), time.monotonic()
    for _ in range(cycles):
        await loop._run_cycle()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    await asyncio.sleep(0.5)
    after = Counter(line.split()[0] for line in site.server.requests(""))
    requests = {verb: count / cycles for verb, count in (after - before).items()}
    print(
        f"{name:28} first {first:6.1f} s | idle cycle: {1000 * cpu / cycles:7.1f} ms CPU"
        f" {1000 * wall / cycles:7.1f} ms wall, requests {requests}, PSS {pss():.1f} MB"
    )
    loop._close_listing()


def populate(site: Site, files: int) -> None:
    remote = site.server.root / BUCKET / "configuration"
    for number in range(files):
        site.write(f"stats/{number % 100}/{number}.json", b"x" * 100)
        file = remote / str(number % 100) / f"{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"y" * 100)


async def main() -> None:
    files, cycles = (int(text) for text in [*sys.argv[1:], *["10000", "20"][len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "s3").mkdir()
        with running_s3(base / "s3") as server:
            site = make_site(server, base / "device")
            populate(site, files)
            print(f"{files} files, {cycles} cycles, PSS before {pss():.1f} MB")
            await measure(site, "egress only", SyncWorkload("shop", UP, []), cycles)
            await measure(site, "ingress only", SyncWorkload("shop", [], DOWN), cycles)
            await measure(site, "nothing configured", SyncWorkload("shop", [], []), cycles)


asyncio.run(main())
