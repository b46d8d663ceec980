"""Whom the worker takes for its gateway."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from flotta.worker import gateway_client
from flotta.worker.gateway_client import GatewayClient, WorkerService
from flotta.worker.settings import Settings
from plain_gateway import PlainGateway
from waiting import eventually

GATEWAY_USER = os.geteuid() + 4321


async def nothing() -> None:
    pass


@pytest.mark.parametrize("also_trusted", [False, True])
async def test_every_connection_is_to_the_user_of_the_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    also_trusted: bool,
) -> None:
    """A process of this user has taken the gateway's address since the first connection."""
    caplog.set_level("INFO")
    gateway = PlainGateway(tmp_path)
    await gateway.start()
    trusted = {GATEWAY_USER, os.geteuid()} if also_trusted else {GATEWAY_USER}
    monkeypatch.setattr(gateway_client, "trusted_uids", lambda name: trusted)
    monkeypatch.setattr(gateway_client, "peer_user", lambda connection: GATEWAY_USER)
    settings = Settings(gateway_address=gateway.address, state_dir=tmp_path)
    client = GatewayClient(
        settings, WorkerService(lambda content: None, nothing, lambda stop: None)
    )
    running = asyncio.create_task(client.run())

    await eventually(lambda: "No gateway at" in caplog.text or gateway.registrations)

    assert gateway.registrations == 0
    assert f"user id {os.geteuid()} listens now, and not {GATEWAY_USER}" in caplog.text
    running.cancel()
    await asyncio.wait([running])
    await gateway.stop()
