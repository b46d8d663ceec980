"""Connections that a CA authenticated end when it is taken out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from memory_site import MemorySite, memory_site

from authorities import alone
from flotta.edge_api.former_authorities import FormerAuthorities
from flotta.identity.authority import Authority
from flotta.identity.lifetime import load_certificate
from flotta.identity.rollover import FINISH, ROLL, Phase, RolloverRequest, succeed
from waiting import eventually


@pytest_asyncio.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemorySite]:
    async with memory_site(tmp_path, monkeypatch) as started:
        yield started


async def ask(site: MemorySite, phase: Phase) -> None:
    """Ask for a phase, and wait until the server uses what came of it."""
    store = site.backend.authority
    expected = len(store.answers) + 1
    site.backend.authority.ask(RolloverRequest(phase, phase))
    await eventually(lambda: len(store.answers) == expected)
    authorities = 2 if phase == ROLL else 1
    await eventually(lambda: store.published["ca.crt"].count("BEGIN") == authorities)


async def test_idle_and_held_connections_of_a_former_ca_are_closed(site: MemorySite) -> None:
    device = await site.joined()
    assert (await device.beat()).status == 200  # leaves an idle connection
    held = await device.held(device.get("data", If_None_Match='"1"', Prefer="wait=60"))
    await ask(site, ROLL)
    assert (await device.beat()).status == 200
    assert not held.done()

    await ask(site, FINISH)

    with pytest.raises(aiohttp.ClientError):
        await held
    with pytest.raises(aiohttp.ClientError):  # a new handshake, with the former certificate
        await device.beat()
    await device.close()


async def test_a_request_on_a_connection_of_a_former_ca_is_refused(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave_open(*_: object) -> None:
        pass

    device = await site.joined()
    assert (await device.beat()).status == 200
    monkeypatch.setattr(site.server._http, "close_of", leave_open)
    await ask(site, ROLL)
    await ask(site, FINISH)

    answer = await device.beat()
    assert (answer.status, answer.json()["reason"]) == (401, "CertificateNotAccepted")
    await device.close()


async def test_connections_of_the_new_ca_stay_open(site: MemorySite) -> None:
    device = await site.joined()
    await ask(site, ROLL)
    assert (await device.register()).status == 200
    held = await device.held(device.get("data", If_None_Match='"1"', Prefer="wait=60"))

    await ask(site, FINISH)

    assert (await device.beat()).status == 200
    assert not held.done()
    site.backend.devices["till-7"].version = 2
    site.backend.change()
    assert (await held).status == 200
    await device.close()


def test_who_issued_a_certificate_is_told_by_the_signature() -> None:
    """Who has the key of the former CA can name the new one as the issuer."""
    former = Authority.create("flotta-ca")
    rolled = succeed(former).authority
    watched = FormerAuthorities()

    def der(authority: Authority) -> bytes:
        issued = authority.issue_registration().certificate
        return load_certificate(issued).public_bytes(Encoding.DER)

    forger = Authority(rolled.certificate, former._key, b"")
    of_former, of_new, forged = der(former), der(rolled), der(forger)
    assert not watched.follow(former.certificate_pem)
    assert not watched.follow(rolled.certificate_pem)
    assert not watched.shuts_out(of_former)
    assert watched.follow(alone(rolled).certificate_pem)
    assert watched.shuts_out(of_former)
    assert watched.shuts_out(forged)
    assert not watched.shuts_out(of_new)
    assert not watched.follow(rolled.certificate_pem)  # somebody put it back
    assert not watched.shuts_out(of_former)
