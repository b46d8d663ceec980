"""An Edge API as a process: with the reference data store, and certificates as users get them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from configuration_site import PROGRAM, run_command
from edge_site import (
    EDGE_API,
    SOURCE,
    Device,
    Reply,
    Site,
    data_message,
    edge_site,
    fleet_of,
    process,
    wait_for_ready,
)
from remote_store import Store, running

from flotta.identity.authority import CertificateAndKey
from flotta.own_names import CA_SECRET
from servers.ports import free_port
from waiting import eventually, wait_until

CONFIGURATION = """
configuration:
  heartbeat: {hardware_profile: {include: true, scope: full}, period_seconds: 60}
workloads:
- name: shop
  namespace: default
  specification: |
    containers:
    - name: shop
      image: %s
"""
DISCONNECTED = {**data_message("", "disconnect"), "type": "event"}


@dataclass
class Plane:
    """Both processes; the store can be killed and started again."""

    directory: Path
    edge_api: Site
    store_port: int
    devices: list[Device] = field(default_factory=list)

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def log(self) -> str:
        return (self.directory / "edge-api.log").read_text()

    def command(self, *words: str, stdin: str = "") -> str:
        """Run a command of the store; return what it printed."""
        database = str(self.directory / "state.db")
        done = run_command(*words, "--database", database, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def configure(self, device_id: str, image: str) -> None:
        self.command("put", f"default/{device_id}", "-", stdin=CONFIGURATION % image)

    @contextmanager
    def store(self) -> Iterator[int]:
        """Run the store with the certificate that the Edge API issued for it."""
        served = self.directory / "store"
        log = self.directory / "configuration-api.log"
        begin = log.stat().st_size if log.exists() else 0
        options = {
            "database": self.directory / "state.db",
            "listen": f"127.0.0.1:{self.store_port}",
            "cert": served / "server.crt",
            "key": served / "server.key",
            "client-ca": served / "ca.crt",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with process(log, {}, PROGRAM, "serve", *words) as pid:
            wait_until(lambda: "Serving" in log.read_text()[begin:])
            yield pid

    def issue_certificate(self) -> None:
        words = ["certificates", "--certificates-dir", str(self.certificates), "issue"]
        words += ["--server", "127.0.0.1", "--output", str(self.directory / "store")]
        subprocess.run(
            [sys.executable, "-m", "flotta.cli.flotta", *words],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": "/nonexistent"},
            check=True,
            capture_output=True,
        )

    def device(self, device_id: str) -> Device:
        folder = next(self.certificates.glob("reg-client-ca-*"))
        identity = CertificateAndKey(
            (folder / "client.crt").read_bytes(), (folder / "client.key").read_bytes()
        )
        ca = (self.certificates / CA_SECRET / "ca.crt").read_bytes()
        device = Device(self.edge_api, ca, device_id, identity)
        self.devices.append(device)
        return device


@asynccontextmanager
async def plane(directory: Path) -> AsyncIterator[Plane]:
    """Start an Edge API without a resource API, and issue the certificate of its store."""
    port, monitoring_port, store_port = free_port(), free_port(), free_port()
    environment = {
        "KUBECONFIG": "/nonexistent",
        "BACKEND": "remote",
        "REMOTE_BACKEND_URL": f"https://127.0.0.1:{store_port}",
        "REMOT_BACKEND_TIMEOUT": "2s",
        "CERTIFICATES_DIR": str(directory / "certificates"),
        "BIND_ADDRESS": "127.0.0.1",
        "HTTPS_PORT": str(port),
        "METRICS_ADDR": f"127.0.0.1:{monitoring_port}",
    }
    with process(directory / "edge-api.log", environment, EDGE_API) as pid:
        site = Site(directory, Path(), port, monitoring_port, environment, pid)
        started = Plane(directory, site, store_port)
        wait_until(lambda: "Serving devices" in started.log)  # before there is a store
        started.issue_certificate()
        yield started
        for device in started.devices:
            await device.close()


async def test_a_device_lives_through_the_death_of_the_store(tmp_path: Path) -> None:
    async with plane(tmp_path) as site:
        device = site.device("till-7")
        with site.store():
            wait_for_ready(site.edge_api)
            site.configure("till-7", "shop:1")
            await join(site, device)
            known = await device.get("data")
            assert known.json()["content"]["workloads"][0]["name"] == "shop"
            held = await device.held(
                device.get("data", If_None_Match=known.headers["ETag"], Prefer="wait=60")
            )
            site.configure("till-7", "shop:2")
            changed = await asyncio.wait_for(held, 30)
            assert "shop:2" in changed.body.decode()
            assert (await device.beat()).status == 200

        stale = await device.get("data")  # the store has ended
        assert stale.json()["content"] == changed.json()["content"]
        assert (await device.beat(agent_version="lost")).status == 503

        with site.store():
            await eventually(lambda: takes(device, "taken"))
            assert "taken" in site.command("show", "default/till-7")
            await leave(site, device)


async def test_certificates_may_be_secrets_of_a_resource_api(tmp_path: Path) -> None:
    store = Store(free_port())
    url = f"http://127.0.0.1:{store.port}"
    planes = edge_site(tmp_path, BACKEND="remote", REMOTE_BACKEND_URL=url)
    async with running(store, None):
        site = await asyncio.to_thread(planes.__enter__)  # it waits for the store, which is here
        try:
            await use_batches_of_secrets(site, store)
        finally:
            await asyncio.to_thread(planes.__exit__, None, None, None)


async def use_batches_of_secrets(site: Site, store: Store) -> None:
    async with fleet_of(site) as fleet:
        device = fleet.device("till-7", await fleet.issue("shops", deviceIDs=["till-7"]))
        store.device("till-7").is_approved = True
        assert (await device.enrol()).status == 208
        await fleet.specify("shops", revoked={"at": "2026-01-01T00:00:00Z"})
        assert (await device.register()).json()["reason"] == "RegistrationRevoked"
        await fleet.specify("shops", deviceIDs=["till-7"])
        assert (await device.register()).status == 200
        assert (await device.beat()).status == 200
        await device.close()


async def takes(device: Device, version: str) -> bool:
    return (await device.beat(agent_version=version)).status == 200


async def join(site: Plane, device: Device) -> None:
    """Take a device in as an administrator does."""
    assert (await device.enrol()).status == 200
    assert (await device.register()).json()["reason"] == "NotApproved"
    site.command("approve", f"default/{device.device_id}")
    assert (await device.enrol()).status == 208
    registration = device.identity
    assert (await device.register()).status == 200
    await device.use(registration)  # as if the response had been lost
    assert (await device.register()).status == 200
    thief = site.device(device.device_id)
    assert (await thief.enrol()).json()["reason"] == "OtherKey"
    assert (await thief.register()).json()["reason"] == "OtherKey"


async def leave(site: Plane, device: Device) -> None:
    """Let a device go, and come back as another one."""
    site.command("unregister", "default/till-7")

    async def command() -> Reply | None:
        reply = await device.get("control")
        return reply if reply.body else None

    told = await eventually(command)
    assert told.json()["content"]["command"] == "disconnect"
    assert (await device.post("control", DISCONNECTED)).status == 200
    assert "gone" in site.command("list")

    again = site.device("till-7")
    again.key = device.key
    assert (await again.enrol()).status == 200
    site.command("approve", "default/till-7")
    assert (await again.register()).status == 200
    assert (await again.beat()).status == 200
    assert (await device.get("control")).json()["reason"] == "UnknownDevice"
