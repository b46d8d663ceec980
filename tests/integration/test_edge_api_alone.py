"""Edge API, data store and gateway as they run where there is no resource API and no kubeconfig."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from configuration_site import PROGRAM, run_command
from device_site import DeviceFiles, TestWorker, running, worker_of
from edge_site import EDGE_API, SOURCE, Device, Site, process

from flotta.identity.authority import CertificateAndKey
from flotta.identity.ssl_contexts import client_context
from servers.ports import free_port
from waiting import eventually, wait_until

STORE = "/api/flotta-backend/v1"
CONTAINER = {"name": "a", "image": "localhost/a:1"}
CONFIGURATION = {"workloads": [{"name": "web", "specification": {"containers": [CONTAINER]}}]}


@dataclass
class Alone:
    """An Edge API that runs, and a data store that a test starts."""

    directory: Path
    port: int
    store_port: int
    environment: dict[str, str]
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def database(self) -> str:
        return str(self.directory / "state.db")

    @property
    def log(self) -> str:
        return (self.directory / "edge-api.log").read_text()

    def flotta(self, *words: str) -> str:
        """Run a command on the directory; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "flotta.cli.flotta", *words],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def issue(self, *words: str) -> Path:
        """Issue something by `flotta`; return the folder that it wrote."""
        folder = self.directory / words[0] / words[2].lstrip("-")
        self.flotta(*words, "--output", str(folder), "--certificates-dir", str(self.certificates))
        return folder

    def start_store(self, certificate: Path) -> int:
        """Start the data store with what `flotta certificates issue` wrote; return its pid."""
        words = [f"--{option}={certificate / file}" for option, file in TLS.items()]
        listen = f"127.0.0.1:{self.store_port}"
        log = self.directory / "store.log"
        command = ("serve", "--database", self.database, "--listen", listen, *words)
        pid = self.stack.enter_context(process(log, {}, PROGRAM, *command))
        wait_until(lambda: "Serving" in log.read_text())
        return pid

    def end_store(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        (self.directory / "store.log").unlink()

    def device(self, device_id: str) -> Device:
        """Return a device with the certificate of a new batch."""
        folder = self.issue("registration", "issue", device_id)
        pair = CertificateAndKey(
            (folder / "client.crt").read_bytes(), (folder / "client.key").read_bytes()
        )
        site = Site(self.directory, Path(), self.port, 0, {})
        return Device(site, (folder / "ca.crt").read_bytes(), device_id, pair)

    def context(self, certificate: Path, key: Path) -> ssl.SSLContext:
        return client_context(self.certificates / "flotta-ca/ca.crt", certificate, key)


TLS = {"cert": "server.crt", "key": "server.key", "client-ca": "ca.crt"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Alone]:
    port, store_port = free_port(), free_port()
    environment = {
        "KUBECONFIG": "",
        "HOME": "/nonexistent",
        "BACKEND": "remote",
        "REMOTE_BACKEND_URL": f"https://localhost:{store_port}",
        "REMOTE_BACKEND_POLL_SECONDS": "1",
        "CERTIFICATES_DIR": str(tmp_path / "certificates"),
        "BIND_ADDRESS": "127.0.0.1",
        "HTTPS_PORT": str(port),
        "METRICS_ADDR": f"127.0.0.1:{free_port()}",
    }
    alone = Alone(tmp_path, port, store_port, environment)
    with alone.stack, process(tmp_path / "edge-api.log", environment, EDGE_API) as pid:
        wait_until(lambda: "Serving devices" in alone.log)
        yield alone
        assert_no_key_is_told(alone, pid)


def assert_no_key_is_told(site: Alone, pid: int) -> None:
    told = site.log + (site.directory / "store.log").read_text()
    told += Path(f"/proc/{pid}/cmdline").read_text()
    keys = [path.read_text().splitlines()[1] for path in site.certificates.rglob("*.key")]
    assert len(keys) >= 5
    assert not [key for key in keys if key in told]


async def test_a_device_joins_and_gets_its_configuration(site: Alone) -> None:
    registration = site.issue("registration", "issue", "stick", "--device-id", "till-7")
    store = site.issue("certificates", "issue", "--server", "localhost")
    site.start_store(store)
    files = DeviceFiles(site.directory)
    pair = CertificateAndKey(
        (registration / "client.crt").read_bytes(), (registration / "client.key").read_bytes()
    )
    ca = (registration / "ca.crt").read_bytes()
    settings = files.configure(f"127.0.0.1:{site.port}", ca, pair)

    async with running(settings), worker_of(settings) as worker:
        assert (await worker.register()).registered
        joining = asyncio.create_task(worker.join())
        await eventually(lambda: "till-7" in store_command(site, "list"))
        store_command(site, "approve", "default/till-7")
        await joining
        put = json.dumps(CONFIGURATION)
        store_command(site, "put", "default/till-7", "-", stdin=put)
        await eventually(lambda: has_workload(worker))
        assert (await worker.send("heartbeat", {"status": "up"}))["StatusCode"] == 200

    assert "registered" in store_command(site, "list")
    folder = site.directory / "pki/device/current"
    device = site.context(folder / "cert.pem", folder / "key.pem")
    host = site.certificates / "flotta-host-certificate"
    own = site.context(host / "client.crt", host / "client.key")
    batch = site.context(registration / "client.crt", registration / "client.key")
    assert [await ask_store(site, context) for context in (own, device, batch)] == [200, 403, 403]


async def test_the_ca_is_rolled_over_while_the_data_store_runs(site: Alone) -> None:
    """The store knows the former CA alone until its certificate is issued again."""
    former = site.issue("certificates", "issue", "--server", "localhost")
    first = site.start_store(former)
    device = site.device("till-7")
    assert (await device.enrol()).status == 200
    client = site.certificates / "flotta-host-certificate/client.crt"
    before = client.read_bytes()

    site.flotta("certificates", "roll-ca", "--certificates-dir", str(site.certificates))
    await eventually(lambda: client.read_bytes() != before)
    await eventually(lambda: "New certificates are in use" in site.log)
    await eventually(lambda: says(site, 'kind="data store",name="https://localhost:'))
    site.end_store(first)  # so that the Edge API connects with its new certificate
    second = site.start_store(former)
    await eventually(lambda: enrolled(device))

    renewed = site.issue("certificates", "issue", "--server", "localhost")
    site.end_store(second)
    site.start_store(renewed)
    finish = ("certificates", "finish-ca", "--force")
    site.flotta(*finish, "--certificates-dir", str(site.certificates))
    await device.close()
    device = site.device("till-8")
    await eventually(lambda: enrolled(device), tolerate=aiohttp.ClientError)
    await device.close()


async def says(site: Alone, text: str) -> bool:
    """Tell whether a text is in the metrics."""
    url = f"http://{site.environment['METRICS_ADDR']}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return text in await response.text()


async def enrolled(device: Device) -> bool:
    return (await device.enrol()).status == 200


def has_workload(worker: TestWorker) -> bool:
    configurations = [item.get("workloads") or [] for item in worker.configurations]
    return any(workload["name"] == "web" for found in configurations for workload in found)


def store_command(site: Alone, *words: str, stdin: str = "") -> str:
    done = run_command(*words, "--database", site.database, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def ask_store(site: Alone, context: ssl.SSLContext) -> int:
    """Return the status that the store gives to the holder of a certificate."""
    path = f"{STORE}/namespaces/default/devices/till-7/registration"
    url = f"https://localhost:{site.store_port}{path}"
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return answer.status
