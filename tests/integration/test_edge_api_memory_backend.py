"""The Edge API serves devices with any backend that keeps to the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from edge_site import data_message
from memory_backend import MemoryDevice, MemorySecrets
from memory_site import MemorySite, memory_site

from flotta.edge_api.backends.backend import StoredSecret
from flotta.identity.authority import CertificateAndKey
from flotta.own_names import CA_SECRET, HOST_SECRET
from waiting import eventually


@pytest_asyncio.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemorySite]:
    async with memory_site(tmp_path, monkeypatch) as started:
        yield started


async def test_a_device_joins_reports_and_leaves(site: MemorySite) -> None:
    device = await site.device()
    assert (await device.enrol()).status == 200
    assert (await device.register()).status == 404
    site.backend.devices["till-7"] = known = MemoryDevice()
    assert (await device.enrol()).status == 208
    assert (await device.register()).status == 200

    assert (await device.beat(agent_version="3")).status == 200
    known.is_leaving = True
    command = await device.get("control")
    event = {**data_message("", "disconnect"), "type": "event"}
    assert (await device.post("control", event)).status == 200

    assert site.backend.enrolled == ["till-7", "till-7"]
    assert [heartbeat.agent_version for heartbeat in known.heartbeats] == ["3"]
    assert command.json()["content"]["command"] == "disconnect"
    assert known.has_left
    await device.close()


async def test_a_held_request_ends_when_the_backend_tells_of_a_change(site: MemorySite) -> None:
    device = await site.joined()
    held = await device.held(device.get("data", If_None_Match='"1"', Prefer="wait=60"))

    site.backend.devices["till-7"].version = 2
    site.backend.change()

    reply = await held
    assert (reply.status, reply.headers["ETag"]) == (200, '"2"')
    assert reply.json()["content"] == {"version": "2"}
    await device.close()


async def test_a_backend_that_fails_says_what_devices_get(
    site: MemorySite, caplog: pytest.LogCaptureFixture
) -> None:
    device = await site.joined()

    site.backend.broken = True
    reply = await device.beat()

    assert (reply.status, reply.headers["Retry-After"]) == (503, "3")
    assert (reply.json()["reason"], reply.json()["message"]) == ("Starting", "not now")
    assert "bit 7 is stuck" in caplog.text
    url = f"http://127.0.0.1:{site.server.monitoring_port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert (response.status, await response.text()) == (503, "the memory is broken\n")
    await device.close()


async def test_a_lost_server_certificate_is_made_again(site: MemorySite) -> None:
    lost = await site.backend.secrets.read(HOST_SECRET)

    site.backend.secrets.forget(HOST_SECRET)

    new = await eventually(lambda: site.backend.secrets.read(HOST_SECRET))
    assert new != lost


async def test_batches_are_filled_and_revoked_in_any_store(site: MemorySite) -> None:
    secrets = site.backend.secrets
    device = await site.device()
    await secrets.create("shops", {"batch": b'{"deviceIDs": ["till-8"]}'}, registration=True)

    async def filled() -> StoredSecret | None:
        secret = await secrets.read("shops")
        return secret if secret and "client.crt" in secret.data else None

    issued = await eventually(filled)
    await device.use(CertificateAndKey(issued.data["client.crt"], issued.data["client.key"]))
    assert (await device.enrol()).json()["reason"] == "DeviceIDNotAllowed"
    await secrets.replace(issued, {**issued.data, "batch": b"{}"})
    assert (await device.enrol()).status == 200
    revoked = b'{"revoked": {"at": "2020-01-01T00:00:00Z"}}'
    changed = await secrets.read("shops")
    assert changed is not None
    await secrets.replace(changed, {**changed.data, "batch": revoked})
    assert (await device.enrol()).json()["reason"] == "RegistrationRevoked"

    async def has_no_key() -> bool:
        secret = await secrets.read("shops")
        return secret is not None and "client.key" not in secret.data

    await eventually(has_no_key)
    await device.close()


async def test_a_server_stops_its_backend_in_order(site: MemorySite) -> None:
    await asyncio.wait_for(site.server.stop(), 30)

    assert site.backend.ending == ["release_requests", "flush", "end of run", "close"]


async def test_a_backend_follows_the_ca_and_gets_no_certificate_that_it_does_not_want(
    site: MemorySite,
) -> None:
    authority = await site.backend.secrets.read(CA_SECRET)
    host = await site.backend.secrets.read(HOST_SECRET)

    assert authority
    assert site.backend.followed == [(authority.data["ca.crt"], b"", b"")]
    assert host
    assert set(host.data) == {"server.crt", "server.key"}


async def test_a_backend_that_wants_a_certificate_gets_each_renewed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with memory_site(tmp_path, monkeypatch, wants_certificate=True) as site:
        secrets, followed = site.backend.secrets, site.backend.followed
        host = await secrets.read(HOST_SECRET)
        assert host
        assert [pair[1:] for pair in followed] == [
            (host.data["client.crt"] + b"\n", host.data["client.key"])
        ]
        lost = {key: value for key, value in host.data.items() if key != "client.key"}
        await secrets.replace(host, lost)
        await eventually(lambda: len(followed) == 2)

        renewed = await secrets.read(HOST_SECRET)
        assert renewed
        assert followed[1][2] == renewed.data["client.key"]
        assert renewed.data["server.crt"] == host.data["server.crt"]
        assert followed[1][0] == followed[0][0]


async def test_the_certificate_for_the_data_store_is_not_served_as_that_of_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with memory_site(tmp_path, monkeypatch, wants_certificate=True) as site:
        device = await site.joined()
        host = await site.backend.secrets.read(HOST_SECRET)
        assert host
        await device.use(CertificateAndKey(host.data["client.crt"], host.data["client.key"]))

        for reply in (await device.enrol(), await device.register(), await device.get("data")):
            assert (reply.status, reply.json()["reason"]) == (401, "CertificateNotAccepted")
        await device.close()


async def test_another_server_gets_its_certificate_and_the_next_one(site: MemorySite) -> None:
    secrets = site.backend.secrets
    secrets.ask("store", b'{"names": ["store.example"]}')
    await eventually(lambda: has_key(secrets, "store"))

    secrets.ask("store", b"{}")
    await eventually(lambda: has_problem(secrets, "store"))


async def has_key(secrets: MemorySecrets, name: str) -> bool:
    secret = await secrets.read(name)
    return secret is not None and b"PRIVATE KEY" in secret.data.get("server.key", b"")


async def has_problem(secrets: MemorySecrets, name: str) -> bool:
    secret = await secrets.read(name)
    return secret is not None and secret.problem.startswith("ServerRequestInvalid: ")
