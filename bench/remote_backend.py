"""What a remote data store costs an Edge API whose devices all hold requests.

Usage: PYTHONPATH=src python bench/remote_backend.py [--devices 50000] [--seconds 20]

The backend runs in this process, without TLS and without the server in front of it; the store is
another process of this script that keeps nothing. Every device has read its status and a
configuration of 4 KB and holds one request, first with the feed of changes, then without it.
Measured are the memory of a held device, CPU time and calls while nothing changes, how long one
change takes to wake its device, and the calls a second after an outage of the store.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from aiohttp import web

from flotta.edge_api.backends.files.stores import Files
from flotta.edge_api.backends.remote.backend import RemoteBackend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.remote_store import RemoteStore
from flotta.identity.holder import Peer
from flotta.protocol.configuration_api import BASE_PATH
from servers.ports import free_port
from waiting import NotInTimeError, eventually

CONFIGURATION = '{"device-configuration":{"configuration":{},"version":"%d","filler":"%s"}}'
READERS = 32  # devices that read at once


@dataclass
class Counted:
    """What the store counts, shared between the processes; `version` is of device 7."""

    calls: Any
    version: Any
    has_feed: Any
    port: int = field(default_factory=free_port)


def serve(counted: Counted) -> None:
    """Serve every device the same, until the process is ended."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/changes"):
            return await changes(request)
        counted.calls.value += 1
        if request.path.endswith("/registration"):
            return web.json_response({"status": "registered"})
        version = counted.version.value if "/d-7/" in request.path else 0
        etag = f'"{version}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        text = CONFIGURATION % (version, "x" * 4000)
        return web.Response(text=text, headers={"ETag": etag})

    async def changes(request: web.Request) -> web.Response:
        if not counted.has_feed.value:
            return web.Response(status=404)
        after = int(request.query["after"])
        seconds = float(request.headers["Prefer"].removeprefix("wait="))
        with suppress(NotInTimeError):
            await eventually(lambda: after != counted.version.value, seconds, pause=0.01)
        version = counted.version.value
        body = {"version": version, "devices": ["default/d-7"], "complete": after > 0}
        return web.json_response(body)

    app = web.Application()
    app.router.add_route("*", BASE_PATH + "/{path:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=counted.port, print=None, access_log=None)


@contextmanager
def store(counted: Counted) -> Iterator[None]:
    """Run the store as a process."""
    process = multiprocessing.Process(target=serve, args=(counted,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()  # as an outage is; a request for changes would be waited for
        process.join()


def peer(number: int) -> Peer:
    """Return the holder of a device certificate."""
    now = datetime.now(UTC)
    name = f"d-{number}"
    return Peer("device", name, "default", ("default",), "u", name, name, now, now)


async def hold(backend: RemoteBackend, devices: int) -> list[asyncio.Task[None]]:
    """Read what every device reads, and hold a request for each."""
    turns = asyncio.Semaphore(READERS)

    async def read(number: int) -> None:
        async with turns:
            await backend.membership(peer(number))
            await backend.get_configuration(peer(number))

    await asyncio.gather(*map(read, range(devices)))
    return [
        asyncio.create_task(backend.wait_for_change(peer(number), 3600))
        for number in range(devices)
    ]


def cpu() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory() -> int:
    """Return the bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def measure(devices: int, seconds: float, counted: Counted) -> None:
    """Print a line about one kind of store."""
    with TemporaryDirectory() as directory:
        url = f"http://127.0.0.1:{counted.port}{BASE_PATH}"
        own = Files(Path(directory, "certificates"))
        backend = RemoteBackend(RemoteStore(url), own, EdgeApiMetrics())
        before = memory()
        await backend.follow(b"", b"", b"")
        running = asyncio.create_task(backend.run())
        with store(counted):
            await eventually(lambda: backend.unready_reason is None)
            begun = time.monotonic()
            waits = await hold(backend, devices)
            print(f"  read: {2 * devices / (time.monotonic() - begun):.0f} calls/s")
            if counted.has_feed.value:  # the second run uses what the first one gave back
                print(f"  memory of a held device: {(memory() - before) / devices:.0f} bytes")
            calls, used = counted.calls.value, cpu()
            await asyncio.sleep(seconds)
            calls, used = counted.calls.value - calls, cpu() - used
            print(f"  idle: {calls / seconds:.0f} calls/s, {used / seconds:.3f} s of CPU/s")
            begun = time.monotonic()
            counted.version.value += 1
            await waits[7]
            print(f"  one change: {(time.monotonic() - begun) * 1000:.0f} ms")
        await asyncio.sleep(seconds / 2)
        with store(counted):
            calls, used = counted.calls.value, cpu()
            await asyncio.sleep(seconds)
            calls, used = counted.calls.value - calls, cpu() - used
            print(
                f"  after an outage: {calls / seconds:.0f} calls/s, {used / seconds:.2f} s of CPU/s"
            )
        for task in (running, *waits):
            task.cancel()
        await asyncio.gather(running, *waits, return_exceptions=True)
        await backend.close()


def main() -> None:
    """Measure with a feed of changes, and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    for has_feed in (True, False):
        print("with the feed" if has_feed else "without a feed")
        counted = Counted(
            multiprocessing.Value("q", 0),
            multiprocessing.Value("q", 1),
            multiprocessing.Value("b", has_feed),
        )
        asyncio.run(measure(options.devices, options.seconds, counted))


if __name__ == "__main__":
    main()
