"""SIGKILL of the resident process and its child at once, in the middle of transfers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from s3_server import SOURCE, running_s3
from sync_link import Link
from sync_site import BUCKET, Site, make_site, with_endpoint

from waiting import eventually, wait_until

MEBIBYTE = 1 << 20


@pytest.fixture
def site(tmp_path):
    (tmp_path / "s3").mkdir()
    with running_s3(tmp_path / "s3") as server:
        yield make_site(server, tmp_path / "device")


@contextlib.contextmanager
def device(site: Site, link: Link | None = None):
    storage = with_endpoint(site.storage, link.endpoint) if link else site.storage
    told = site.base / "told.json"
    told.write_text(
        json.dumps(
            {
                "state": str(site.base / "state"),
                "volumes": str(site.volumes),
                "storage": asdict(storage),
            }
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("sync_process.py")), str(told)],
        env={**os.environ, "PYTHONPATH": SOURCE},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Watcher(threading.Thread):
    """Notes every state of a file in the export directory that is not a whole version of it."""

    def __init__(self, folder: Path, versions: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._versions = versions
        self._ended = threading.Event()
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._ended.wait(0.002):
            for name in os.listdir(self._folder) if self._folder.exists() else ():
                if self._versions.get(name) != (self._folder / name).stat().st_size:
                    self.wrong.append(name)

    def end(self) -> None:
        self._ended.set()
        self.join()


@pytest.mark.parametrize(("size", "cuts"), [(64, 2), pytest.param(200, 6, marks=pytest.mark.deep)])
async def test_uploads_survive_power_cuts_and_nothing_complete_is_sent_twice(
    site, link, size, cuts
):
    big = os.urandom(size * MEBIBYTE + 12345)
    small = {f"small-{n}": os.urandom(1000 + n) for n in range(40)}
    site.write("stats/big", big)
    for name, data in small.items():
        site.write(f"stats/{name}", data)
    complete: set[str] = set()
    puts_at: list[tuple[set[str], int]] = []
    kills = 0
    link.delay = 0.002
    for _ in range(cuts):
        parts = len(site.requests("PART "))
        with device(site, link):
            wanted = parts + random.randint(1, 2)
            await eventually(lambda n=wanted: len(site.server.requests("PART ")) >= n)
            await asyncio.sleep(random.random() * 0.1)
        kills += 1
        complete = set(site.bucket_keys())
        puts_at.append((complete, len(site.requests())))
        assert "statistics/big" not in complete  # or the cuts did not hit the upload
    link.delay = 0.0
    with device(site, link):
        await eventually(lambda: site.get("statistics/big") == big, 60)
        await eventually(lambda: len(site.bucket_keys()) == 41)
    for name, data in small.items():
        assert site.get(f"statistics/{name}") == data
    lines = site.requests()
    for completed, length in puts_at:
        later = Counter(line for line in lines[length:] if line.startswith("PUT "))
        assert not [key for key in completed if f"PUT {BUCKET}/{key}" in later]
    assert len(site.requests("PART ")) <= size // 8 + 1 + kills


@pytest.mark.parametrize(("size", "cuts"), [(48, 2), pytest.param(96, 6, marks=pytest.mark.deep)])
async def test_downloads_survive_power_cuts_and_no_partial_file_is_ever_visible(site, size, cuts):
    big = os.urandom(size * MEBIBYTE + 12345)
    site.put("configuration/big", big)
    site.put("configuration/small", b"s" * 1000)
    watcher = Watcher(site.export / "config", {"big": len(big), "small": 1000})
    watcher.start()
    spool = site.volumes.parent / "spool"
    for kill in range(1, cuts + 1):
        goal = len(big) * kill * random.uniform(0.5, 1.0) / (cuts + 1)

        def begun(goal: float = goal) -> bool:
            return any(part.stat().st_size >= goal for part in spool.glob("*.part"))

        with device(site):
            wait_until(lambda: begun() or (site.export / "config/big").exists(), pause=0.002)
    with device(site):
        await eventually((site.export / "config" / "big").exists, 60)
        await eventually((site.export / "config" / "small").exists)
    watcher.end()
    assert watcher.wrong == []
    assert (site.export / "config" / "big").read_bytes() == big
    assert len(site.requests(f"GET {BUCKET}/configuration/small")) == 1


@pytest.mark.parametrize("cuts", [1, pytest.param(5, marks=pytest.mark.deep)])
async def test_a_power_cut_after_the_last_byte_does_not_send_it_again(site, cuts):
    for round_ in range(cuts):
        name = f"file-{round_}"
        data = os.urandom(50_000)
        site.write(f"stats/{name}", data)
        with device(site):
            wait_until(
                lambda n=name: site.server.requests(f"PUT {BUCKET}/statistics/{n}"), pause=0.001
            )
        stored = f"statistics/{name}" in site.bucket_keys()
        with device(site):
            await eventually(lambda n=name, d=data: site.get(f"statistics/{n}") == d)
            cycles = len(site.requests("LIST "))
            await eventually(lambda n=cycles + 3: len(site.server.requests("LIST ")) >= n)
        puts = len(site.requests(f"PUT {BUCKET}/statistics/{name}"))
        assert puts <= (1 if stored else 2)
