"""Agents and control planes of different releases: join, configuration, report, renewal, removal.

Programs of both releases run as processes, each in the environment of its own lock files.
"""

from __future__ import annotations

import os
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import operator_site
import pytest
from device_certificates import issue_device
from device_site import DeviceFiles
from edge_site import Site, certificate_of, edge_api
from operator_site import embedded_api, running_operator

from flotta.identity.authority import Authority
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, SECRET
from releases import PRESENT, RELEASES, Build, Release, build
from waiting import eventually

POD = {"spec": {"containers": [{"name": "web", "image": "localhost/web:1"}]}}
PROGRAM = Path(__file__).with_name("worker_program.py")
# systemd and podman of the device: every unit runs at once, and no image is missing.
SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] || exit 0
for unit; do case $unit in *.service)
  printf 'Id=%s\\nActiveState=active\\nSubState=running\\nResult=success\\nNRestarts=0\\n' "$unit"
  printf 'InvocationID=1\\nNeedDaemonReload=no\\n\\n';;
esac; done
"""
PODMAN = """#!/bin/sh
case "$1" in ps) echo '[]';; esac
"""


@dataclass(frozen=True)
class Pair:
    """Which builds meet."""

    plane: Build
    agent: Build


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def former(request: pytest.FixtureRequest) -> Build:
    release: Release = request.param
    return build(release)


@pytest.fixture(scope="module", params=["former agent", "former control plane"])
def pair(request: pytest.FixtureRequest, former: Build) -> Pair:
    return Pair(PRESENT, former) if request.param == "former agent" else Pair(former, PRESENT)


@pytest.fixture(scope="module")
def site(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a control plane whose operator approves everybody."""
    folder = tmp_path_factory.mktemp("plane")
    with ExitStack() as stack:
        stack.enter_context(embedded_api(folder, pair.plane))

        def access(name: str) -> Path:
            return folder / "kubeconfig" / f"{name}.kubeconfig"

        operator = operator_site.Site(folder, folder / "operator.log", None, access)
        stack.enter_context(running_operator(operator, pair.plane))
        yield stack.enter_context(edge_api(folder, access, pair.plane, PRESENCE_WRITE_SECONDS="1"))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Client]:
    async with await Client.connect(str(site.kubeconfig)) as opened:
        yield opened


@asynccontextmanager
async def device_of(pair: Pair, files: DeviceFiles) -> AsyncIterator[None]:
    """Run gateway and worker of a device."""
    with gateway_of(pair, files):
        await eventually((files.folder / "gateway.sock").exists)
        programs = programs_of_host(files.folder)
        environment = pair.agent.environment(PATH=f"{programs}:{os.environ['PATH']}")
        command = [pair.agent.interpreter, str(PROGRAM), str(files.folder)]
        with running(command, environment, files.folder / "worker.log"):
            yield


@contextmanager
def gateway_of(pair: Pair, files: DeviceFiles) -> Iterator[None]:
    folder = files.folder
    places = {
        "config": "config.toml",
        "tags": "tags.toml",
        "state-dir": "state",
        "socket": "gateway.sock",
        "workers-dir": "workers",
    }
    options = [part for name, path in places.items() for part in (f"--{name}", f"{folder / path}")]
    command = pair.agent.command("flotta.cli.gateway", *options, "--group", "")
    with running(command, pair.agent.environment(), folder / "gateway.log"):
        yield


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        started = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield
        assert started.poll() is None, log.read_text()
    finally:
        started.terminate()
        started.wait(60)


def programs_of_host(folder: Path) -> Path:
    """Write systemctl and podman of the device; return their folder."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, text in (("systemctl", SYSTEMCTL), ("podman", PODMAN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return programs


async def configured(client: Client, site: Site, files: DeviceFiles) -> Authority:
    """Install the device's files with what the control plane has issued; return its CA."""
    ca = (await client.get(SECRET, "flotta-ca", "flotta"))["data"]
    authority = Authority.from_pem(b64decode(ca["ca.crt"]), b64decode(ca["ca.key"]))
    secrets = await client.list(SECRET, "flotta", label_selector="reg-client-ca=true")
    registration = certificate_of(next(item for item in secrets if "client.crt" in item["data"]))
    for name in ("units", "volumes", "exits", "changes"):
        (files.folder / name).mkdir(exist_ok=True)
    files.configure(f"localhost:{site.port}", authority.certificate_pem, registration)
    return authority


async def test_a_device_joins_works_renews_and_goes(
    pair: Pair, site: Site, client: Client, tmp_path: Path
) -> None:
    files = DeviceFiles(tmp_path, "till-7")
    name = files.device_id
    authority = await configured(client, site, files)
    units = files.folder / "units"

    async def stored() -> dict[str, Any]:
        found: dict[str, Any] = await client.get(EDGE_DEVICE, name, "default")
        return found

    async def reported(workload: str) -> bool:
        status = (await stored()).get("status") or {}
        phases = {item["name"]: item.get("phase") for item in status.get("workloads") or []}
        return bool(phases.get(workload)) and bool(status.get("lastSyncedResourceVersion"))

    async with device_of(pair, files):
        await eventually(stored, tolerate=NotFound)
        await eventually(lambda: files.serial)
        room = {"metadata": {"labels": {"room": "shop"}}}
        await client.merge_patch(EDGE_DEVICE, name, "default", room)
        await deploy(client, "first")
        await eventually(lambda: any("first" in path.name for path in units.rglob("*")))
        await eventually(lambda: reported("first"))
        assert (await stored())["status"]["hardware"]["cpu"]

    before, uid = files.serial, (await stored())["metadata"]["uid"]
    expired = issue_device(authority, name, uid, end=-timedelta(hours=1))
    current = files.pki / "device" / "current"
    (current / "cert.pem").write_bytes(expired.certificate)
    (current / "key.pem").write_bytes(expired.key)
    lapsed = files.serial
    async with device_of(pair, files):
        await eventually(lambda: files.serial not in (0, before, lapsed))
        await deploy(client, "second")
        await eventually(lambda: any("second" in path.name for path in units.rglob("*")))
        await eventually(lambda: reported("second"))

        await client.delete(EDGE_DEVICE, name, "default")
        await eventually(lambda: not any("first" in path.name for path in units.rglob("*")))
        await eventually(lambda: is_gone(client, name))
    assert not files.serial  # it has no certificate of its own any more


async def deploy(client: Client, name: str) -> None:
    selector = {"matchLabels": {"room": "shop"}}
    spec = {"type": "pod", "deviceSelector": selector, "pod": POD}
    metadata = {"name": name, "namespace": "default"}
    await client.create(EDGE_WORKLOAD, {"metadata": metadata, "spec": spec})


async def is_gone(client: Client, name: str) -> bool:
    try:
        await client.get(EDGE_DEVICE, name, "default")
    except NotFound:
        return True
    return False
