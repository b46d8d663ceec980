"""A device comes back to a control plane that was restored from a backup of before a rollover."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from device_site import DeviceFiles, TestWorker, running, with_timing, worker_of
from memory_backend import MemoryDevice
from memory_site import MemorySite, memory_site

from flotta.edge_api.backends.backend import StoredSecret
from flotta.identity.authority import key_identifier
from flotta.identity.issuers import load_bundle
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import authority_of
from flotta.identity.rollover import FINISH, ROLL, Phase, RolloverRequest
from flotta.own_names import CA_SECRET, HOST_SECRET
from waiting import eventually

SLOWLY = 0.3  # seconds: more than ten heartbeats a second are refused


@pytest_asyncio.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemorySite]:
    async with memory_site(tmp_path, monkeypatch) as started:
        yield started


async def read(site: MemorySite, name: str) -> StoredSecret:
    found = await site.backend.secrets.read(name)
    assert found is not None
    return found


async def ask(site: MemorySite, phase: Phase) -> None:
    expected = len(site.backend.authority.answers) + 1
    site.backend.authority.ask(RolloverRequest(phase, phase))
    await eventually(lambda: len(site.backend.authority.answers) == expected)


async def restore(site: MemorySite, backup: list[StoredSecret]) -> None:
    for secret in backup:
        await site.backend.secrets.replace(await read(site, secret.name), secret.data)


async def beats(worker: TestWorker) -> bool:
    answer = await worker.send("heartbeat", {"status": "up", "version": ""})
    return answer.get("StatusCode") == 200


async def test_a_new_registration_certificate_is_enough(site: MemorySite, tmp_path: Path) -> None:
    (batch,) = await site.backend.secrets.list_registration_secrets()
    backup = [*[await read(site, name) for name in (CA_SECRET, HOST_SECRET)], batch]
    former = key_identifier(load_bundle(backup[0].data["ca.crt"])[0])
    device = await site.device()
    assert device.identity is not None
    (tmp_path / "till").mkdir()
    files = DeviceFiles(tmp_path / "till")
    server, authority = f"127.0.0.1:{site.server.port}", backup[0].data["ca.crt"]
    settings = files.configure(server, authority, device.identity)
    settings = with_timing(settings, wanted_spread=0.0)
    site.backend.devices["till-7"] = MemoryDevice()
    current = files.pki / "device/current"

    def issuer() -> str:
        return authority_of(load_certificate((current / "cert.pem").read_bytes()))

    async def renewed() -> bool:
        is_first_gone = not (files.pki / "device/1").exists()  # it would do again
        return await beats(worker) and issuer() != former and is_first_gone

    async with running(settings), worker_of(settings) as worker:
        assert (await worker.send("registration", {"hardware": {}})).get("StatusCode") == 200
        for name in ("cert.pem", "key.pem"):  # as the role does with what is spent
            (files.pki / name).unlink()
        await ask(site, ROLL)
        await eventually(lambda: beats(worker), pause=SLOWLY)
        await eventually(renewed, pause=SLOWLY)
        await ask(site, FINISH)
        await restore(site, backup)
        await eventually(lambda: site.backend.authority.published["ca.crt"].encode() == authority)

        (files.pki / "key.pem").write_bytes(device.identity.key)
        (files.pki / "cert.pem").write_bytes(device.identity.certificate)

        async def is_back() -> bool:
            return await beats(worker) and issuer() == former

        await eventually(is_back, pause=SLOWLY)
    await device.close()
