"""Edge API and resource API, as processes with few file descriptors, under each known flood."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import aiohttp
import pytest
import pytest_asyncio
from edge_site import Device, Fleet, Site, edge_site, fleet_of
from gate_site import Client as HttpClient
from gate_site import keep_up
from operator_site import embedded_api

from flotta.identity.ssl_contexts import client_context
from flotta.resources.client import Client
from flotta.resources.kinds import NAMESPACE
from waiting import eventually

DESCRIPTORS = 300
MANY = 320  # connections: more than there are descriptors
WAVE = 40  # of them at the same time


@contextmanager
def few_descriptors(folder: Path) -> Iterator[None]:
    """Let programs of ours start with a hard limit of DESCRIPTORS, and a soft one of half of it."""
    python = folder / "python"
    limits = f"ulimit -Sn {DESCRIPTORS // 2}; ulimit -Hn {DESCRIPTORS}"
    python.write_text(f'#!/bin/bash\n{limits}; exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("edge")
    with few_descriptors(folder), edge_site(folder) as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened


class Flood:
    """Connections that are kept open and do nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._silent: list[socket.socket] = []

    async def open(self, context: ssl.SSLContext, count: int = MANY) -> None:
        """Open connections that end after their handshake; those that are refused are none."""
        for _ in range(0, count, WAVE):
            await asyncio.gather(*(self._open_one(context) for _ in range(WAVE)))

    async def _open_one(self, context: ssl.SSLContext) -> None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=context)
        except OSError:
            return
        self._writers.append(writer)

    async def open_silently(self) -> None:
        raw = socket.socket()
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._port))
        self._silent.append(raw)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for raw in self._silent:
            raw.close()


@pytest.fixture
def flood(site: Site) -> Iterator[Flood]:
    opened = Flood(site.port)
    yield opened
    opened.close()


async def capped(site: Site) -> dict[str, float]:
    """Return how many connections each cap has cost."""
    url = f"http://127.0.0.1:{site.monitoring_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        lines = (await response.text()).splitlines()
    prefix = 'flotta_api_connections_capped_total{cap="'
    found = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return {line.split('"')[0]: float(line.split()[-1]) for line in found}


async def is_served(fleet: Fleet, kept: Device) -> None:
    """Check that a device gets answers on its kept connection and on a new one."""
    assert (await kept.beat()).status == 200
    again = fleet.stranger(kept.device_id, kept.identity)
    assert (await again.beat()).status == 200
    await again.close()


def lines_about_caps(log: Path) -> int:
    return log.read_text().count("control-plane.md#connections")


async def test_idle_connections_of_one_device_stop_no_other(
    site: Site, fleet: Fleet, flood: Flood
) -> None:
    device, greedy = await fleet.joined(), await fleet.joined()
    await device.beat()

    await flood.open(greedy.tls_context())

    await is_served(fleet, device)
    await is_served(fleet, greedy)
    assert (await capped(site))["certificate"] >= MANY - 8
    assert lines_about_caps(site.directory / "edge-api.log") < 5
    await device.close()
    await greedy.close()


async def test_idle_connections_of_the_registration_certificate_stop_nobody(
    fleet: Fleet, flood: Flood
) -> None:
    device = await fleet.joined()
    await device.beat()

    await flood.open(fleet.device().tls_context())

    await is_served(fleet, device)
    joined = await fleet.joined()
    await joined.close()
    await device.close()


async def test_silent_connections_that_keep_coming_shut_no_device_out(
    site: Site, fleet: Fleet, flood: Flood
) -> None:
    device = await fleet.joined()
    before = await capped(site)
    flooding = asyncio.create_task(keep_up(flood.open_silently))

    async def bites() -> bool:
        now = await capped(site)
        return now["handshakes"] + now["address"] > before["handshakes"] + before["address"] + 50

    await eventually(bites)

    for _ in range(5):
        await is_served(fleet, device)
    assert not flooding.done()
    flooding.cancel()
    await device.close()


async def test_a_server_without_descriptors_waits_for_some(
    site: Site, fleet: Fleet, flood: Flood
) -> None:
    device = await fleet.joined()
    await device.beat()
    before = (await capped(site))["descriptors"]
    taken = max(int(path.name) for path in Path(f"/proc/{site.pid}/fd").iterdir()) + 1
    limits = resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (taken, DESCRIPTORS))
    for _ in range(taken):  # some numbers below are free
        await flood.open_silently()
    late = fleet.stranger(device.device_id, device.identity)
    waiting = asyncio.create_task(late.beat())

    async def failures() -> float:
        return await asyncio.to_thread(lambda: failed_to_accept(site))

    await eventually(failures)
    resource.prlimit(site.pid, resource.RLIMIT_NOFILE, limits)

    assert (await waiting).status == 200
    # It does not spin: an accept fails twice a second.
    assert (await capped(site))["descriptors"] - before < 200
    assert failed_to_accept(site) < 3
    await late.close()
    await device.close()


def failed_to_accept(site: Site) -> int:
    return (site.directory / "edge-api.log").read_text().count("Accepting a connection failed")


async def test_the_limit_of_descriptors_is_raised(site: Site) -> None:
    soft, hard = resource.prlimit(site.pid, resource.RLIMIT_NOFILE)

    assert (soft, hard) == (DESCRIPTORS, DESCRIPTORS)


async def test_idle_connections_without_a_certificate_do_not_stop_the_administrator(
    tmp_path: Path,
) -> None:
    with few_descriptors(tmp_path), embedded_api(tmp_path):
        kubeconfig = tmp_path / "kubeconfig" / "admin.kubeconfig"
        async with await Client.connect(str(kubeconfig)) as client:
            server = client._transport._host
            context = client_context(tmp_path / "pki" / "ca.crt")
            flood = Flood(int(server.rpartition(":")[2]))
            await flood.open(context)

            async with await Client.connect(str(kubeconfig)) as another:
                assert await another.list(NAMESPACE)
            assert await client.list(NAMESPACE)
            probe = await asyncio.to_thread(urlopen, f"{server}/readyz", context=context)
            assert probe.read() == b"ok"
            flood.close()
            await _assert_status_for_nonsense(server, context)
        assert lines_about_caps(tmp_path / "apiserver.log") == 1


async def _assert_status_for_nonsense(server: str, context: ssl.SSLContext) -> None:
    """Check that the resource API answers what is not HTTP with a Status, as everything else."""
    port = int(server.rpartition(":")[2])
    client = HttpClient(*await asyncio.open_connection("127.0.0.1", port, ssl=context))
    answer = await client.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (answer.status, answer.json()["kind"], answer.json()["code"]) == (400, "Status", 400)
    assert answer.headers["server"] == "flotta-apiserver"
    client.close()
