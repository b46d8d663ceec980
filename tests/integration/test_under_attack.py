"""A device while others attack its control plane in every way at once.

How long things take is measured by bench/attack.py. Here each attack goes on until its counters
show that the control plane has met it, and meanwhile nothing that another device asks for is lost.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from attacked_site import again, make_target
from edge_site import Device, Fleet, Site, edge_site, fleet_of

from attackers.attacks import ATTACKS, FOREIGN_WORKLOAD
from attackers.running import RunningAttack, attacking
from flotta.fleet.joining import is_approved
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, EVENT, SIGNED_REQUEST
from flotta.resources.objects.meta import Manifest

SYSTEMD_DESCRIPTORS = 1024  # DefaultLimitNOFILE of systemd, the soft limit of a service
MOST_EVENTS = 30  # about one object: 25 at once, and one every five minutes
MOST_PENDING = 100  # requests to join with one registration certificate
PACE = 1.0  # seconds between two rounds; a device is allowed ten requests a second
HELD = {"Prefer": "wait=55"}

WORKLOAD: Manifest = {
    "metadata": {"name": FOREIGN_WORKLOAD, "namespace": "default"},
    "spec": {
        "type": "pod",
        "deviceSelector": {"matchLabels": {"role": "accounting"}},
        "pod": {"spec": {"containers": [{"name": "main", "image": "img"}]}},
    },
}

# By attack: whether the control plane has met it, from what the attacker counted.
MET: Mapping[str, Callable[[Mapping[str, int]], bool]] = {
    "anonymous-tls": lambda counts: counts.get("closed", 0) >= 200,
    "silent-tcp": lambda counts: counts.get("closed", 0) >= 1000,
    "idle-device": lambda counts: counts.get("closed", 0) >= 100,
    "compressed-bodies": lambda counts: counts.get("415", 0) + counts.get("429", 0) >= 300,
    "large-heartbeats": lambda counts: counts.get("413", 0) + counts.get("429", 0) >= 30,
    "enrolments": lambda counts: sum(counts.get(status, 0) for status in ("200", "429")) >= 300,
    "events": lambda counts: sum(counts.get(status, 0) for status in ("200", "429")) >= 30,
}


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Start the servers with as few descriptors as systemd gives a service."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SYSTEMD_DESCRIPTORS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def site(few_descriptors: None, tmp_path: Path) -> Iterator[Site]:
    with edge_site(tmp_path, PENDING_REQUESTS_PER_CERTIFICATE=str(MOST_PENDING)) as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        await opened.client.create(EDGE_WORKLOAD, WORKLOAD)
        yield opened


async def change_configuration(fleet: Fleet, device: Device, period: int) -> int:
    """Change the period of heartbeats while the device holds a poll; return what it was told."""
    known = (await device.get("data")).headers["ETag"]
    held = await device.held(device.get("data", "", If_None_Match=known, **HELD))
    patch = {"spec": {"heartbeat": {"periodSeconds": period}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", patch)
    told = (await held).json()["content"]["configuration"]["heartbeat"]["period_seconds"]
    return int(told)


async def read_as_newcomer(fleet: Fleet, device: Device) -> str:
    """Read the device's object over a connection that an administrator opens now."""
    async with await Client.connect(str(fleet.site.kubeconfig)) as client:
        found = await client.get(EDGE_DEVICE, device.device_id, "default")
    return found["metadata"]["name"]


async def live(fleet: Fleet, device: Device, number: int) -> None:
    """Do once whatever a device and its administrator do."""
    fresh = again(fleet, device)
    assert (await device.beat()).status == 200
    assert (await fresh.beat()).status == 200
    await fresh.close()
    assert await change_configuration(fleet, device, number) == number
    assert await read_as_newcomer(fleet, device) == device.device_id


async def assert_bounded(fleet: Fleet, attacks: Mapping[str, RunningAttack]) -> None:
    """Check that what attackers leave behind is bounded, and that nothing foreign is in it."""
    pending = [one for one in await fleet.client.list(SIGNED_REQUEST) if not is_approved(one)]
    assert len(pending) <= MOST_PENDING
    about = Counter(event["involvedObject"]["name"] for event in await fleet.client.list(EVENT))
    assert about[FOREIGN_WORKLOAD] == 0
    assert max(about.values(), default=0) <= MOST_EVENTS
    if compressed := attacks.get("compressed-bodies"):
        assert "200" not in compressed.counts


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("names", [*([name] for name in ATTACKS), list(ATTACKS)], ids="+".join)
@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.1"], ids=["elsewhere", "same address"])
async def test_a_device_keeps_its_heartbeat_and_gets_its_configuration(
    fleet: Fleet, names: list[str], source: str
) -> None:
    device = await fleet.joined()
    targets = {name: await make_target(fleet, source) for name in names}
    number = 60

    async with attacking(targets) as attacks:
        while not all(MET[name](attack.counts) for name, attack in attacks.items()):
            number += 1
            await live(fleet, device, number)
            await asyncio.sleep(PACE)
            assert not [name for name, attack in attacks.items() if attack.failed]

    await live(fleet, device, number + 1)
    await assert_bounded(fleet, attacks)
    assert len(await fleet.client.list(EDGE_DEVICE)) == 1 + len(names)
    await device.close()
