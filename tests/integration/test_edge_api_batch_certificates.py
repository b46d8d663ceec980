"""How an Edge API keeps many batches: its own at once, the others in the background."""

from __future__ import annotations

from typing import Any

import pytest
from memory_backend import MemorySecrets

from background import in_background
from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.batch_plans import plan_batch
from flotta.edge_api.requested_certificates import RequestedCertificates
from flotta.edge_api.secret_changes import SecretChange
from flotta.identity.authority import Authority
from waiting import eventually

AUTHORITY = Authority.create("Flotta CA")


async def read_authority() -> Authority:
    return AUTHORITY


@pytest.fixture
async def secrets() -> MemorySecrets:
    secrets = MemorySecrets()
    for name in ("reg-client-ca-0123456789", "shops", "tills"):
        await secrets.create(name, {"batch": b"{}"}, registration=True)
    return secrets


async def filled(secrets: MemorySecrets) -> set[str]:
    found = await secrets.list_registration_secrets()
    return {secret.name for secret in found if "client.crt" in secret.data}


async def test_a_start_waits_for_the_servers_own_batch_alone(secrets: MemorySecrets) -> None:
    batches = RequestedCertificates(secrets, read_authority)

    await batches.keep_all()

    assert await filled(secrets) == {"reg-client-ca-0123456789"}
    async with in_background(batches.run()):

        async def are_all_filled() -> bool:
            return len(await filled(secrets)) == 3

        await eventually(are_all_filled)


async def test_a_batch_of_which_nothing_can_be_made_stops_nobody(
    secrets: MemorySecrets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One of the server's own names and another one fail in a way that nobody foresaw."""

    def plan(secret: StoredSecret, *rest: Any) -> SecretChange | None:
        if secret.name in ("reg-client-ca-0123456789", "shops"):
            raise OverflowError("date value out of range")
        return plan_batch(secret, *rest)

    monkeypatch.setattr("flotta.edge_api.requested_certificates.plan_batch", plan)
    batches = RequestedCertificates(secrets, read_authority)

    await batches.keep_all()
    async with in_background(batches.run()):

        async def is_filled() -> bool:
            return await filled(secrets) == {"tills"}

        await eventually(is_filled)
    assert "The certificate in Secret shops could not be kept" in caplog.text


async def test_a_batch_goes_only_when_it_ended_by_every_look_of_a_day(
    secrets: MemorySecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = RequestedCertificates(secrets, read_authority)

    async def look() -> bool:
        """Look at the batch; return whether it is there."""
        await batches.keep("shops")
        return await secrets.read("shops") is not None

    async def write(specification: bytes) -> None:
        secret = await secrets.read("shops")
        assert secret is not None
        await secrets.replace(secret, {**secret.data, "batch": specification})

    await look()
    await write(b'{"expires": "2020-01-01T00:00:00Z"}')
    assert await look()
    assert await look()
    monkeypatch.setattr("flotta.edge_api.requested_certificates.REMOVAL_DELAY", 0.0)
    assert not await look()


async def test_what_fails_once_is_tried_again(
    secrets: MemorySecrets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flotta.edge_api.requested_certificates.RETRY", (0.01, 0.01))
    calls: list[str] = []

    async def fails_at_first() -> Authority:
        calls.append("read")
        return AUTHORITY if len(calls) > 1 else Authority.from_pem(b"", AUTHORITY.key_pem)

    batches = RequestedCertificates(secrets, fails_at_first)
    batches.note("shops")
    async with in_background(batches.run()):

        async def is_filled() -> bool:
            return "shops" in await filled(secrets)

        await eventually(is_filled)
    assert "The certificate in Secret shops could not be kept" in caplog.text
