"""A reference data store as a process, with TLS as an Edge API meets it, and clients of it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from edge_site import SOURCE, Reply, process

from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.ssl_contexts import client_context
from flotta.protocol.configuration_api import BASE_PATH
from servers.ports import free_port
from waiting import wait_until

PROGRAM = "flotta.cli.configuration_api"
CLIENT = "flotta-edge-api"


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate and its key as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Pki:
    """A CA, the certificates that server and Edge API have from it, and that of a device."""

    directory: Path
    authority: Authority

    @classmethod
    def create(cls, directory: Path) -> Pki:
        authority = Authority.create("Flotta CA")
        pki = cls(directory, authority)
        pki.ca.write_bytes(authority.certificate_pem)
        pki.write("server", authority.issue_server(["127.0.0.1", "localhost"]))
        pki.write("client", authority.issue_client(CLIENT, (CLIENT,)))
        # A device may be called like the Edge API.
        pki.write("device", authority.issue_client(CLIENT, ("flotta-operator",)))
        return pki

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    def write(self, name: str, pair: CertificateAndKey) -> CertificateFiles:
        files = self.files(name)
        files.certificate.write_bytes(pair.certificate)
        files.key.touch(0o600)
        files.key.write_bytes(pair.key)
        return files

    def files(self, name: str) -> CertificateFiles:
        return CertificateFiles(self.directory / f"{name}.crt", self.directory / f"{name}.key")

    def context(self, name: str = "client") -> ssl.SSLContext:
        files = self.files(name)
        return client_context(self.ca, files.certificate, files.key)


@dataclass(frozen=True)
class ConfigurationSite:
    """A server that runs; `url` has the base path."""

    directory: Path
    database: Path
    port: int
    url: str
    pid: int
    pki: Pki | None

    @property
    def log(self) -> str:
        return (self.directory / "configuration-api.log").read_text()

    def command(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on the database."""
        return run_command(*words, "--database", str(self.database), stdin=stdin)

    def client(self, certificate: str = "client") -> StoreClient:
        return StoreClient(self, certificate)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class StoreClient:
    """Speaks as an Edge API does; use as `async with`."""

    def __init__(self, site: ConfigurationSite, certificate: str) -> None:
        self._url = site.url
        tls = site.pki.context(certificate) if site.pki else None
        self._tls: Any = tls or True

    async def __aenter__(self) -> StoreClient:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=60)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, json: Any = None, **headers: str) -> Reply:
        """Send a request to a path below the base path."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        url = f"{self._url}/{path}"
        async with self._session.request(method, url, json=json, headers=named) as response:
            return Reply(response.status, response.headers, await response.read())

    async def device(
        self, method: str, device: str, suffix: str, json: Any = None, **headers: str
    ) -> Reply:
        """Send a request about `device`, an id in the namespace default."""
        path = f"namespaces/default/devices/{device}/{suffix}"
        return await self.send(method, path, json, **headers)

    async def status(self, device: str) -> Any:
        return (await self.device("GET", device, "registration")).json()


@contextmanager
def configuration_api(
    directory: Path,
    *options: str,
    pki: Pki | None = None,
    port: int = 0,
    database: Path | None = None,
) -> Iterator[ConfigurationSite]:
    """Start the server and wait until it answers; without `pki` over plain http."""
    port = port or free_port()
    database = database or directory / "state.db"
    words = ["serve", "--database", str(database), "--listen", f"127.0.0.1:{port}", *options]
    if pki is None:
        words.append("--insecure-http")
    else:
        server = pki.files("server")
        words += ["--cert", str(server.certificate), "--key", str(server.key)]
        words += ["--client-ca", str(pki.ca)]
    log = directory / "configuration-api.log"
    begin = log.stat().st_size if log.exists() else 0
    with process(log, {}, PROGRAM, *words) as pid:
        wait_until(lambda: "Serving" in log.read_text()[begin:])
        scheme = "https" if pki else "http"
        url = f"{scheme}://127.0.0.1:{port}{BASE_PATH}"
        yield ConfigurationSite(directory, database, port, url, pid, pki)


def run_command(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `flotta-configuration-api` with these words."""
    return subprocess.run(
        [sys.executable, "-m", PROGRAM, *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
