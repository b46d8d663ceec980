"""An Edge API in this process with a remote data store and certificates in files; TLS is real."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from edge_site import Device, Site
from remote_store import Store

from flotta.edge_api.server import EdgeApiServer
from flotta.edge_api.settings import Settings
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.key_files import key_files
from flotta.identity.ssl_contexts import server_context
from flotta.own_names import CA_SECRET
from servers.ports import free_port
from waiting import eventually


@dataclass
class RemoteSite:
    """An Edge API, and the store that it asks."""

    server: EdgeApiServer
    store: Store
    directory: Path
    environment: dict[str, str]
    devices: list[Device] = field(default_factory=list)

    @property
    def certificates(self) -> Path:
        return Path(self.environment["CERTIFICATES_DIR"])

    @property
    def authority(self) -> Authority:
        folder = self.certificates / CA_SECRET
        return Authority.from_pem(
            (folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes()
        )

    def store_context(
        self, *names: str, authority: Authority | None = None, clients: Authority | None = None
    ) -> ssl.SSLContext:
        """Return a context for the store with a certificate for these names.

        `authority` issues it, and `clients` those of clients: by default the CA of the fleet.
        """
        issuer = authority or self.authority
        issued = issuer.issue_server(list(names) or ["localhost", "127.0.0.1"])
        with key_files(issued.certificate, issued.key) as files:
            return server_context(
                files.certificate, files.key, (clients or self.authority).certificate_pem
            )

    def device(self, device_id: str = "till-7") -> Device:
        """Return a device with the registration certificate of the Edge API."""
        folder = next(self.certificates.glob("reg-client-ca-*"))
        identity = CertificateAndKey(
            (folder / "client.crt").read_bytes(), (folder / "client.key").read_bytes()
        )
        site = Site(self.directory, Path(), self.server.port, self.server.monitoring_port, {})
        device = Device(site, self.authority.certificate_pem, device_id, identity)
        self.devices.append(device)
        return device

    async def joined(self, device_id: str = "till-7") -> Device:
        """Return a device that registered and has a configuration."""
        device = self.device(device_id)
        self.store.device(device_id).is_approved = True
        self.store.configure(device_id)
        assert (await device.enrol()).status == 208
        assert (await device.register()).status == 200
        return device

    async def restart(self) -> None:
        """Start another Edge API on the same certificates in place of the one that runs."""
        await self.close()
        self.server = await start_server(self.environment)

    async def close(self) -> None:
        for device in self.devices:
            await device.close()
        self.devices.clear()
        await self.server.stop()

    async def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a page of the monitoring server."""
        url = f"http://127.0.0.1:{self.server.monitoring_port}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    async def metric(self, name: str) -> float:
        """Return the sum of the samples of a metric."""
        _, text = await self.page("metrics")
        lines = (line for line in text.splitlines() if line.startswith(name))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def follow_feed(self) -> None:
        """Wait until the Edge API follows the feed of changes."""

        async def is_held() -> bool:
            held = self.store.of("GET changes")
            return bool(held) and held[-1].headers["Prefer"] != "wait=0"

        await eventually(is_held)


async def start_server(environment: dict[str, str]) -> EdgeApiServer:
    server = await EdgeApiServer.create(Settings.from_environment(environment))
    await server.start()
    return server


@asynccontextmanager
async def remote_site(
    directory: Path, *, scheme: str = "https", has_additions: bool = False, **settings: str
) -> AsyncIterator[RemoteSite]:
    """Serve devices of a store until the block is left. The store is started by who enters."""
    store = Store(free_port(), has_additions=has_additions)
    environment = {
        "BACKEND": "remote",
        "REMOTE_BACKEND_URL": f"{scheme}://127.0.0.1:{store.port}",
        "REMOTE_BACKEND_POLL_SECONDS": "1",
        "CERTIFICATES_DIR": str(directory / "certificates"),
        "BIND_ADDRESS": "127.0.0.1",
        "HTTPS_PORT": "0",
        "METRICS_ADDR": "127.0.0.1:0",
        **settings,
    }
    site = RemoteSite(await start_server(environment), store, directory, environment)
    try:
        yield site
    finally:
        await store.stop()
        await site.close()
