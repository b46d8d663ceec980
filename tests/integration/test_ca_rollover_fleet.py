"""A CA that is rolled over under a fleet of ten devices, three of which are off for long.

Gateways in this process, two Edge APIs and a resource API as processes, real TLS between them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
import pytest_asyncio
from device_certificates import issue_device
from device_site import DeviceFiles, TestWorker, running, with_timing, worker_of
from edge_site import Device, Fleet, Site, edge_api, fleet_of
from operator_site import resource_api

from flotta.cli.commands import certificates
from flotta.gateway import clock
from flotta.gateway.http_client import HttpConnection, HttpRequest, HttpResponse
from flotta.gateway.settings import Settings, Timing
from flotta.identity.authority import CertificateAndKey
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import authority_of
from waiting import eventually

AWAY = timedelta(days=400)
DEVICES, OFF = 10, 3
SLOWLY = 0.3  # seconds: more than ten heartbeats a second are refused


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    """Return two replicas."""
    folder = tmp_path_factory.mktemp("edge")
    (folder / "second").mkdir()
    with (
        resource_api(folder, "embedded") as access,
        edge_api(folder, access, PRESENCE_WRITE_SECONDS="1") as first,
        edge_api(folder / "second", access, PRESENCE_WRITE_SECONDS="1") as second,
    ):
        yield [first, second]


@pytest_asyncio.fixture
async def fleet(sites: list[Site]) -> AsyncIterator[Fleet]:
    async with fleet_of(sites[0]) as opened:
        yield opened


@dataclass
class Till:
    """A device that has joined: its files, and how it speaks when it is on."""

    device: Device
    files: DeviceFiles
    settings: Settings

    @classmethod
    async def joined(cls, fleet: Fleet, site: Site, folder: Path) -> Till:
        device = await fleet.joined()
        assert (await device.beat()).status == 200
        folder.mkdir()
        files = DeviceFiles(folder, device.device_id)
        server, ca = f"localhost:{site.port}", fleet.authority.certificate_pem
        settings = files.configure(server, ca, fleet.registration)
        for name in ("cert.pem", "key.pem"):
            (files.pki / name).unlink()  # nothing but its own key lies on a device that has joined
        assert device.identity is not None
        till = cls(device, files, with_timing(settings, wanted_spread=0.0))
        till.install(device.identity)
        await device.close()
        return till

    def install(self, identity: CertificateAndKey) -> None:
        generation = self.files.pki / "device/1"
        generation.mkdir(parents=True, exist_ok=True)
        (generation / "cert.pem").write_bytes(identity.certificate)
        (generation / "key.pem").write_bytes(identity.key)
        with contextlib.suppress(FileExistsError):
            (self.files.pki / "device/current").symlink_to("1")

    @property
    def authority(self) -> str:
        pem = (self.files.pki / "device/current/cert.pem").read_bytes()
        return authority_of(load_certificate(pem))

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[TestWorker]:
        async with running(self.settings), worker_of(self.settings) as worker:
            yield worker


async def beat(worker: TestWorker) -> None:
    answer = await worker.send("heartbeat", {"status": "up", "version": ""})
    assert answer.get("StatusCode") == 200, answer


async def run_command(fleet: Fleet, action: str, *, force: bool = False) -> str:
    options = argparse.Namespace(
        kubeconfig=str(fleet.site.kubeconfig),
        context=None,
        action=action,
        force=force,
        certificates_dir=None,
    )
    result = await asyncio.to_thread(certificates.run, options)
    assert isinstance(result, str)
    return result


async def show(fleet: Fleet) -> str:
    """Return what the command prints; a str means an exit code of 0."""
    options = argparse.Namespace(
        kubeconfig=str(fleet.site.kubeconfig),
        context=None,
        action=None,
        output="table",
        certificates_dir=None,
    )
    result = await asyncio.to_thread(certificates.run, options)
    assert isinstance(result, str)
    return result


async def renew_by_heartbeats(fleet: Fleet, till: Till, worker: TestWorker, former: str) -> None:
    """Send heartbeats until the control plane has seen a certificate of the new CA."""

    async def renewed() -> bool:
        await beat(worker)
        status = (await fleet.get(till.device))["status"]
        return bool(status["certificate"]["authority"] != former)

    await eventually(renewed, pause=SLOWLY)
    assert till.authority != former


async def forget_by_heartbeats(till: Till, worker: TestWorker) -> None:
    """Send heartbeats until the device trusts one CA only."""

    async def has_forgotten() -> bool:
        await beat(worker)
        pem = (till.files.pki / "device/current/ca.pem").read_bytes()
        return pem.count(b"BEGIN CERTIFICATE") == 1

    await eventually(has_forgotten, pause=SLOWLY)


class Epoch(datetime):
    """The clock of a device without a battery."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(0, tz)


@dataclass
class Exchange:
    device_id: str
    path: str
    status: int


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Return the list of all responses that gateways of this process get."""
    found: list[Exchange] = []
    send = HttpConnection.request

    async def request(connection: HttpConnection, request: HttpRequest) -> HttpResponse:
        response = await send(connection, request)
        device_id = connection._settings.device_id
        found.append(Exchange(device_id, request.path, response.status))
        return response

    monkeypatch.setattr(HttpConnection, "request", request)
    return found


async def test_ten_devices_of_which_three_are_off_come_through_a_rollover_without_a_hand(
    fleet: Fleet,
    sites: list[Site],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exchanges: list[Exchange],
) -> None:
    former = fleet.authority.identifier
    replicas = itertools.cycle(sites)
    tills = [
        await Till.joined(fleet, next(replicas), tmp_path / str(number))
        for number in range(DEVICES)
    ]
    off, at_work = tills[:OFF], tills[OFF:]
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(till.on()) for till in at_work]
        for worker in workers:
            await beat(worker)

        assert "A new CA issues certificates" in await run_command(fleet, "roll-ca")
        pairs = list(zip(at_work, workers, strict=True))
        await asyncio.gather(*(renew_by_heartbeats(fleet, *pair, former) for pair in pairs))

        shown = await show(fleet)
        assert "The CA is rolled over" in shown
        (named,) = [line for line in shown.splitlines() if "Of another CA" in line]
        assert all(till.device.device_id in named for till in off)

        with pytest.raises(ValueError, match=r"^3 devices .*\[FormerCAInUse\]$") as refused:
            await run_command(fleet, "finish-ca")
        assert all(till.device.device_id in str(refused.value) for till in off)

        monkeypatch.setattr(clock, "datetime", Epoch)
        for till in off:
            await age(till, fleet)
            async with till.on() as worker:
                await return_in_few_steps(till, worker, exchanges)
                await renew_by_heartbeats(fleet, till, worker, former)

        assert "no longer" in await run_command(fleet, "finish-ca")
        await asyncio.gather(*(forget_by_heartbeats(*pair) for pair in pairs))
    assert "Of another CA" not in await show(fleet)
    assert {till.authority for till in tills}.isdisjoint({former})
    async with off[0].on() as worker:  # a new handshake, after the former CA has gone
        await beat(worker)


async def age(till: Till, fleet: Fleet) -> None:
    """Let the device have been off since 400 days, with a certificate that was valid then."""
    uid = (await fleet.get(till.device))["metadata"]["uid"]
    begin, end = -AWAY - timedelta(days=30), -AWAY
    name = till.device.device_id
    till.install(issue_device(fleet.authority, name, uid, begin=begin, end=end))
    till.settings = replace(till.settings, timing=Timing())  # as devices have it


async def return_in_few_steps(till: Till, worker: TestWorker, exchanges: list[Exchange]) -> None:
    """Wait for the first heartbeat that is accepted, and count what came before.

    Polls are refused until a registration brings the new certificate: then everything is accepted.
    """
    await beat(worker)
    own = [step for step in exchanges if step.device_id == till.device.device_id]
    refused = [step for step in own if step.status == 401]
    # Usually one of each of the two polls. They wait 1 s, then twice as long each time: 15 s after
    # four, to which a busy machine may come.
    assert 1 <= len(refused) <= 2 * 4 + 1
    assert {step.status for step in own} <= {200, 304, 401}
