"""An Edge API in this process, with devices in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import memory_backend
import pytest
from edge_site import Device, Site
from memory_backend import MemoryBackend, MemoryDevice

from flotta.edge_api.backends import BACKENDS
from flotta.edge_api.server import EdgeApiServer
from flotta.edge_api.settings import Settings
from flotta.identity.authority import CertificateAndKey
from flotta.own_names import CA_SECRET

ENVIRONMENT = {
    "BACKEND": "memory",
    "BIND_ADDRESS": "127.0.0.1",
    "HTTPS_PORT": "0",
    "METRICS_ADDR": "127.0.0.1:0",
}


@dataclass
class MemorySite:
    server: EdgeApiServer
    backend: MemoryBackend
    directory: Path

    async def device(self) -> Device:
        """Return device `till-7` with a registration certificate."""
        site = Site(self.directory, Path(), self.server.port, self.server.monitoring_port, {})
        authority = await self.backend.secrets.read(CA_SECRET)
        (secret,) = await self.backend.secrets.list_registration_secrets()
        identity = CertificateAndKey(secret.data["client.crt"], secret.data["client.key"])
        assert authority is not None
        return Device(site, authority.data["ca.crt"], "till-7", identity)

    async def joined(self) -> Device:
        device = await self.device()
        self.backend.devices["till-7"] = MemoryDevice()
        assert (await device.register()).status == 200
        return device


@asynccontextmanager
async def memory_site(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, wants_certificate: bool = False
) -> AsyncIterator[MemorySite]:
    """Serve devices in memory until the block is left."""
    monkeypatch.setitem(BACKENDS, "memory", "memory_backend")
    monkeypatch.setattr(MemoryBackend, "wants_certificate", wants_certificate)
    server = await EdgeApiServer.create(Settings.from_environment(ENVIRONMENT))
    await server.start()
    yield MemorySite(server, memory_backend.made.pop(), directory)
    await server.stop()
