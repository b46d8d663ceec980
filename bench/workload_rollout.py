"""Measure how fast a new workload is in the status of every device it selects, on both engines.

Method: N EdgeDevices, an operator as a process with its own permissions, and an API server: the
embedded one, then kube-apiserver with an etcd that syncs to disk. A watch measures the time from
the creation of an EdgeWorkload with an empty selector until it is in `status.workloads` of the last
device, and until the last label is set. Then the same watch counts needless writes: a workload for
a tenth of the devices may touch only that tenth, and a new image touches none. The CPU time
of each program while a workload spreads shows what limits the rate of writes.
Usage: PYTHONPATH=src:tests:tests/integration python bench/workload_rollout.py [devices] [runs]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from operator_site import ENGINES, Fleet, Site, resource_api, running_operator

from contract.api import Api
from contract.cluster import install_kinds, install_roles
from flotta.apiserver.pki import USERS
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import labels_of, name_of, status_of
from servers.api_server import KubernetesApi

TICKS = os.sysconf("SC_CLK_TCK")  # ticks of CPU time per second
CREATORS = 16  # devices created at a time
QUIET = 3.0  # seconds without a write after which nothing more is expected
FULL = 85.0  # per cent of a core above which a program counts as limited by it
WORKERS = Settings().device_workers
PROGRAMS = ("flotta.cli.operator", "flotta.cli.apiserver", "kube-apiserver", "etcd")


class DurableApi(KubernetesApi):
    """The API server of the tests, with an etcd that does not skip fsync."""

    def _etcd(self) -> list[str]:
        return [option for option in super()._etcd() if option != "--unsafe-no-fsync"]


@contextmanager
def engine_access(directory: Path, engine: str) -> Iterator[Callable[[str], Path]]:
    """Start an engine; yield a function that returns the kubeconfig of a component."""
    if engine == "embedded":
        with resource_api(directory, engine) as access:
            yield access
        return
    server = DurableApi(directory / "kubernetes")
    try:
        server.start()
        admin = Api(server.kubeconfig("admin"))
        install_kinds(admin)
        install_roles(admin)
        yield lambda name: server.kubeconfig(*USERS[name])
    finally:
        server.stop()


class Writes:
    """A watch of all devices: how often each was written, and which devices list a workload."""

    def __init__(self, client: Client):
        self.client = client
        self.counts: Counter[str] = Counter()
        self.devices: dict[str, EdgeDevice] = {}
        self.last = time.monotonic()

    async def run(self) -> None:
        items, version = await self.client.list_with_version(EDGE_DEVICE)
        self.devices = {name_of(item): item for item in items}
        async for type_, device in self.client.watch(
            EDGE_DEVICE, resource_version=version, timeout_seconds=3600
        ):
            if type_ != "BOOKMARK":
                name = name_of(device)
                self.counts[name] += 1
                self.devices[name] = device
                self.last = time.monotonic()

    def listing(self, workload: str) -> int:
        return sum(lists(device, workload) for device in self.devices.values())

    def labelled(self, workload: str) -> int:
        key = f"workload/{workload}"
        return sum(key in labels_of(device) for device in self.devices.values())

    async def until(self, done: Callable[[], bool]) -> float:
        """Wait until `done` is true; return the time of the last write."""
        while not done():  # noqa: ASYNC110 - there is no single event to await
            await asyncio.sleep(0.02)
        return self.last

    async def quiet(self) -> None:
        while time.monotonic() - self.last < QUIET:  # noqa: ASYNC110 - it waits for no event
            await asyncio.sleep(0.1)


def lists(device: EdgeDevice, workload: str) -> bool:
    """Tell whether a workload is in the status of a device."""
    entries = status_of(device).get("workloads", [])
    return any(entry["name"] == workload for entry in entries)


def processor_seconds() -> dict[str, float]:
    """Return the CPU time of the programs that this process started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().replace("\0", " ")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has just ended
        if int(fields[1]) == os.getpid():
            name = next((program for program in PROGRAMS if program in command), "")
            found[name] = (int(fields[11]) + int(fields[12])) / TICKS
    found.pop("", None)
    return found


async def created(client: Client, count: int) -> None:
    """Create the devices, several at a time."""
    fleet, numbers = Fleet(client), iter(range(count))

    async def some() -> None:
        for number in numbers:
            role = "tenth" if number % 10 == 0 else "other"
            await fleet.device(f"device-{number}", role=role)

    await asyncio.gather(*(some() for _ in range(CREATORS)))


async def rollout(writes: Writes, fleet: Fleet, name: str) -> float:
    """Return the seconds until every device lists a new workload."""
    before, begun = processor_seconds(), time.monotonic()
    writes.counts.clear()
    await fleet.workload(name, deviceSelector={})
    total = len(writes.devices)
    seconds = await writes.until(lambda: writes.listing(name) == total) - begun
    labels = await writes.until(lambda: writes.labelled(name) == total) - begun
    after = processor_seconds()
    await writes.quiet()
    shares = {key: 100 * (after[key] - before[key]) / labels for key in after}
    written, rate = sum(writes.counts.values()), total / seconds
    print(
        f"  {name}: {seconds:.1f} s, {rate:.0f} status writes/s, {1000 * WORKERS / rate:.0f} ms "
        f"each with {WORKERS} workers; labels {labels:.1f} s, {written / labels:.0f} writes/s in "
        f"total, {written / total:.2f} per device; {bound(shares)}",
        flush=True,
    )
    return seconds


def bound(shares: dict[str, float]) -> str:
    """Say what limits the rate of writes; shares are per cent of one core."""
    busiest = max(shares, key=lambda program: shares[program])
    percents = ", ".join(f"{program} {share:.0f} %" for program, share in shares.items())
    if shares[busiest] > FULL:
        return f"limited by the one core of {busiest} ({percents})"
    if sum(shares.values()) > FULL * (os.cpu_count() or 1):
        return f"limited by the processors of the machine ({percents})"
    return f"limited by the API server's responses to EDGEWORKLOAD_CONCURRENCY workers ({percents})"


async def needless(writes: Writes, fleet: Fleet) -> None:
    """Print how many writes reached devices that were not concerned."""
    writes.counts.clear()
    await fleet.workload("tenth", deviceSelector={"matchLabels": {"role": "tenth"}})
    tenth = (len(writes.devices) + 9) // 10
    await writes.until(lambda: writes.labelled("tenth") == tenth)
    await writes.quiet()
    others = sum(
        count
        for name, count in writes.counts.items()
        if labels_of(writes.devices[name])["role"] == "other"
    )
    print(f"  a workload for {tenth} devices: {others} writes to the other devices")
    writes.counts.clear()
    pod = {"spec": {"containers": [{"name": "main", "image": "localhost/other"}]}}
    await fleet.client.merge_patch(EDGE_WORKLOAD, "tenth", "default", {"spec": {"pod": pod}})
    await asyncio.sleep(QUIET)
    print(f"  a new image: {sum(writes.counts.values())} writes to devices", flush=True)


async def measure(site: Site, count: int, runs: int) -> None:
    async with await Client.connect(site.kubeconfig()) as client:
        begun = time.monotonic()
        await created(client, count)
        writes = Writes(client)
        watching = asyncio.create_task(writes.run())
        await writes.until(lambda: len(writes.devices) == count)
        await writes.quiet()
        print(
            f"  {count} devices created and processed in {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        seconds = [await rollout(writes, Fleet(client), f"everywhere-{run}") for run in range(runs)]
        print(f"  median: {statistics.median(seconds):.1f} s for {count} devices")
        await needless(writes, Fleet(client))
        watching.cancel()


def main() -> None:
    count, runs = (int(text) for text in [*sys.argv[1:], *["2000", "3"][len(sys.argv) - 1 :]])
    for engine in ENGINES:
        print(f"{engine}:", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            with engine_access(directory, engine) as access:
                site = Site(directory, directory / "operator.log", None, access)
                settings = {"OBC_AUTO_CREATE": "false"}
                with running_operator(site, **settings):
                    asyncio.run(measure(site, count, runs))


if __name__ == "__main__":
    main()
