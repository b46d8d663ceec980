"""Measure what a device notices while others attack its control plane, all at once for a minute.

Method: the embedded engine and an Edge API run as processes of their own on this machine. Each
attack (`tests/attackers/attacks.py`) is a process, too, at a lower priority, because an
attacker's processor is not the server's, and connects from another address; `--same-address` lets
all come from one, as behind NAT. A device measures from this process, first with nobody else, then
under attack:

    heartbeat          over its kept connection, once a second
    new connection     a heartbeat over a new connection (TLS, 1.3), every two seconds
    configuration      from the administrator's change to the device's held poll, every three s
    administrator      a new connection to the resource API, and one read, every five seconds

Prints count, median and worst in milliseconds, what failed, what each attacker counted, and what
the Edge API uses. Options: `--seconds`, `--each` (one attack after the other), names of attacks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/integration"))

from attacked_site import again, make_target
from edge_site import Device, Fleet, edge_site, fleet_of

from attackers.attacks import ATTACKS
from attackers.running import attacking
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE

QUIET = 10.0  # seconds of measurement without an attack
SYSTEMD_DESCRIPTORS = 1024  # DefaultLimitNOFILE, soft
HELD = 55  # seconds for which the device asks to be held


class Measurement:
    """Durations in seconds, and failures, by what was measured."""

    def __init__(self) -> None:
        self.durations: dict[str, list[float]] = defaultdict(list)
        self.failures: dict[str, Counter[str]] = defaultdict(Counter)

    async def repeat(self, name: str, every: float, action: Callable[[], Awaitable[None]]) -> None:
        """Time the action again and again; the next one begins `every` seconds after the last."""
        while True:
            begun = time.monotonic()
            try:
                await action()
                self.durations[name].append(time.monotonic() - begun)
            except Exception as error:  # counted; the next one may succeed
                self.failures[name][repr(error)[:100]] += 1
            await asyncio.sleep(max(0.0, begun + every - time.monotonic()))

    def show(self) -> None:
        for name in sorted({*self.durations, *self.failures}):
            taken = [1000 * seconds for seconds in self.durations[name]]
            median = statistics.median(taken) if taken else 0.0
            worst = max(taken, default=0.0)
            print(
                f"  {name:15} {len(taken):4}  median {median:7.0f} ms  worst {worst:7.0f} ms"
                f"  {dict(self.failures[name]) or ''}"
            )


class Victim:
    """One device, on three connections, and its administrator."""

    def __init__(self, fleet: Fleet, device: Device) -> None:
        self.fleet = fleet
        self.kept = device
        self.fresh = again(fleet, device)
        self.poll = again(fleet, device)
        self.period = 100

    async def heartbeat(self) -> None:
        await _beat(self.kept)

    async def connect(self) -> None:
        await self.fresh.close()
        await _beat(self.fresh)

    async def configuration(self) -> None:
        """Change the device's object and wait until its poll has the change."""
        before = await self.poll.get("data")
        wish = {"If_None_Match": before.headers["ETag"], "Prefer": f"wait={HELD}"}
        held = asyncio.create_task(self.poll.get("data", "", **wish))
        await asyncio.sleep(0.2)
        self.period += 1
        spec = {"spec": {"heartbeat": {"periodSeconds": self.period}}}
        await self.fleet.client.merge_patch(EDGE_DEVICE, self.kept.device_id, "default", spec)
        reply = await held
        wanted = reply.json()["content"]["configuration"]["heartbeat"]["period_seconds"]
        if wanted != self.period:
            raise ValueError("another configuration")

    async def administrator(self) -> None:
        async with await Client.connect(str(self.fleet.site.kubeconfig)) as client:
            await client.get(EDGE_DEVICE, self.kept.device_id, "default")

    async def close(self) -> None:
        for device in (self.kept, self.fresh, self.poll):
            await device.close()


async def _beat(device: Device) -> None:
    reply = await device.beat()
    if reply.status != 200:
        raise ValueError(f"status {reply.status}")


async def measure(victim: Victim, seconds: float) -> Measurement:
    measurement = Measurement()
    plan = (
        ("heartbeat", 1.0, victim.heartbeat),
        ("new connection", 2.0, victim.connect),
        ("configuration", 3.0, victim.configuration),
        ("administrator", 5.0, victim.administrator),
    )
    tasks = [asyncio.create_task(measurement.repeat(*one)) for one in plan]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return measurement


def processor_time(pid: int) -> float:
    """Return the seconds of CPU that a process has used (fields 14 and 15 of proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show_server(pid: int, folder: Path, cpu: float) -> None:
    status = Path(f"/proc/{pid}/status").read_text()
    memory = int(status.split("VmRSS:")[1].split()[0]) // 1024
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    print(f"  Edge API: {cpu:.0%} of a processor, {memory} MiB, {descriptors} descriptors")
    database = sum(path.stat().st_size for path in folder.glob("state.db*"))
    log = (folder / "edge-api.log").stat().st_size
    print(f"  database {database / 2**20:.1f} MiB, log of the Edge API {log / 1024:.0f} KiB")


async def attack(
    fleet: Fleet, victim: Victim, names: list[str], source: str, seconds: float
) -> None:
    targets = {name: await make_target(fleet, source) for name in names}
    async with attacking(targets) as attacks:
        before = processor_time(fleet.site.pid)
        measurement = await measure(victim, seconds)
        cpu = (processor_time(fleet.site.pid) - before) / seconds
        measurement.show()
        for name, attack in attacks.items():
            print(f"  attacker {name}: {attack.counts}{' ENDED' if attack.failed else ''}")
        show_server(fleet.site.pid, fleet.site.directory, cpu)


async def run(fleet: Fleet, arguments: argparse.Namespace) -> None:
    victim = Victim(fleet, await fleet.joined())
    names = arguments.attacks or list(ATTACKS)
    source = "127.0.0.1" if arguments.same_address else "127.0.0.2"
    print("nobody else:")
    (await measure(victim, QUIET)).show()
    for group in [[name] for name in names] if arguments.each else [names]:
        print(f"under attack by {', '.join(group)}:", flush=True)
        await attack(fleet, victim, group, source, arguments.seconds)
    print("after the attack:")
    (await measure(victim, QUIET)).show()
    await victim.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", choices=[[], *ATTACKS])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--same-address", action="store_true")
    arguments = parser.parse_args()
    # As many descriptors as systemd gives a service whose unit does not say how many.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SYSTEMD_DESCRIPTORS, hard))
    with (
        tempfile.TemporaryDirectory(prefix="flotta-attack-") as name,
        edge_site(Path(name)) as site,
    ):
        async with fleet_of(site) as fleet:
            await run(fleet, arguments)


if __name__ == "__main__":
    asyncio.run(main())
