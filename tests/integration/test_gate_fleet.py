"""A whole fleet on one Edge API: 6,000 devices with three connections each.

The hard limit of descriptors must allow it on both sides: about 18,600 in each of two processes.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import edge_site
import pytest
from edge_site import BASE, Fleet, Site, fleet_of
from gate_site import Client, keep_up

from flotta.identity.authority import Authority
from flotta.identity.keys import key_to_pem, new_key
from flotta.identity.requests import certificate_request, load_request
from flotta.identity.ssl_contexts import client_context
from waiting import eventually

DEVICES = 6000
KEPT = 3  # connections of a device: two that are held, one for what it sends
AT_ONCE = 20  # devices that connect at the same time
ADDRESS = "127.0.0.2"  # that all devices are behind
NEEDED = DEVICES * KEPT + 600  # descriptors

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < NEEDED:
        pytest.skip(f"the hard limit of descriptors is {limits[1]}; {NEEDED} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Identities:
    """Device certificates, all with one key: a key is what takes time to make."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self._authority = authority
        self._key = new_key()
        self._files = folder / "device.crt", folder / "device.key"
        self._files[1].write_bytes(key_to_pem(self._key))

    def context(self, number: int) -> ssl.SSLContext:
        device_id, uid = f"d-{number}", f"00000000-0000-4000-8000-{number:012d}"
        request = load_request(certificate_request(self._key, device_id))
        pem = self._authority.sign_device(request, device_id, "default", uid, 1)
        self._files[0].write_bytes(pem)
        return client_context(self._authority.certificate_pem, *self._files)


@contextmanager
def patient_site(folder: Path) -> Iterator[Site]:
    """Start a resource API and an Edge API that lets clients idle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge_site, "EDGE_API", "patient_edge_api")
        path = f"{edge_site.SOURCE}:{Path(__file__).parent}"
        with edge_site.edge_site(folder, PYTHONPATH=path) as site:
            yield site


async def connect(site: Site, context: ssl.SSLContext) -> Client:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", site.port, ssl=context, local_addr=(ADDRESS, 0), ssl_handshake_timeout=30
    )
    return Client(reader, writer)


async def join(site: Site, identities: Identities, number: int) -> list[Client]:
    """Open a device's connections; each gets an answer, and stays."""
    context = identities.context(number)
    request = f"GET {BASE}/nowhere HTTP/1.1\r\nHost: flotta\r\n\r\n".encode()
    opened = []
    for _ in range(KEPT):
        client = await connect(site, context)
        assert (await client.ask(request)).status == 404
        opened.append(client)
    return opened


@asynccontextmanager
async def silent_flood(site: Site) -> AsyncIterator[None]:
    """Keep silent connections coming, from another address than that of the devices."""
    silent: list[socket.socket] = []

    async def one_more() -> None:
        raw = socket.socket()
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", site.port))
        silent.append(raw)
        if len(silent) > 600:
            silent.pop(0).close()
        await asyncio.sleep(0.005)

    flooding = asyncio.create_task(keep_up(one_more))
    yield
    assert not flooding.done()
    flooding.cancel()
    for raw in silent:
        raw.close()


async def test_six_thousand_devices_behind_one_address_get_in_during_a_silent_flood(
    tmp_path: Path,
) -> None:
    with patient_site(tmp_path) as site:
        async with fleet_of(site) as fleet:
            await _fill(site, fleet)


async def _fill(site: Site, fleet: Fleet) -> None:
    identities = Identities(fleet.authority, site.directory)
    registered = await fleet.joined()
    before = memory_of(site)
    clients: list[Client] = []
    async with silent_flood(site):
        for first in range(0, DEVICES, AT_ONCE):
            joining = (join(site, identities, first + number) for number in range(AT_ONCE))
            for opened in await asyncio.gather(*joining):
                clients += opened
            assert (await registered.beat()).status == 200

    assert (await registered.get("data")).status == 200
    count = len(list(Path(f"/proc/{site.pid}/fd").iterdir()))
    assert count > DEVICES * KEPT
    each = (memory_of(site) - before) / len(clients)
    assert each < 100, "the KiB of a connection in the documentation are wrong"
    (site.directory / "each").write_text(str(each))
    for client in clients:
        client.close()
    await eventually(lambda: len(list(Path(f"/proc/{site.pid}/fd").iterdir())) < 1000)
    await registered.close()


def memory_of(site: Site) -> int:
    """Return the resident memory of the Edge API in KiB."""
    lines = Path(f"/proc/{site.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
