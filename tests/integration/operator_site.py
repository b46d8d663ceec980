"""A resource API of either engine, an operator and, on request, the embedded S3 server.

All of them are real processes.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3_server import S3Server, running_s3
from shared_cluster import shared_cluster

from flotta.resources.client import Client
from flotta.resources.kinds import (
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    NAMESPACE,
    SIGNED_REQUEST,
    Kind,
)
from releases import PRESENT, Build
from servers.ports import free_port
from waiting import LIMIT, eventually

Object = dict[str, Any]
ENGINES = ("embedded", "kubernetes")
SOURCE = str(Path(__file__).parents[2] / "src")
READY_SECONDS = 60.0
LATECOMER = "latecomer-"
NUMBERS = itertools.count()


@dataclass
class Site:
    directory: Path
    operator_log: Path
    s3: S3Server | None
    access: Callable[[str], Path]

    def kubeconfig(self, name: str = "admin") -> str:
        return str(self.access(name))


@contextmanager
def operator_site(
    directory: Path, engine: str = "embedded", *, storage: bool = False, **settings: str
) -> Iterator[Site]:
    """Start the parts and wait until each is ready."""
    with resource_api(directory, engine) as access, ExitStack() as stack:
        s3 = None
        if storage:
            (directory / "s3").mkdir()
            s3 = stack.enter_context(running_s3(directory / "s3"))
            settings = {**s3_settings(s3), **settings}
        site = Site(directory, directory / "operator.log", s3, access)
        stack.enter_context(running_operator(site, **settings))
        yield site


@contextmanager
def resource_api(directory: Path, engine: str) -> Iterator[Callable[[str], Path]]:
    """Start an engine; yield a function that returns the kubeconfig of a component."""
    if engine == "embedded":
        with embedded_api(directory):
            yield lambda name: directory / "kubeconfig" / f"{name}.kubeconfig"
        return
    with shared_cluster() as cluster:
        yield cluster.kubeconfig


@contextmanager
def embedded_api(directory: Path, build: Build = PRESENT) -> Iterator[int]:
    """Start the embedded engine; yields its process id."""
    address = f"127.0.0.1:{free_port()}"
    initialised(directory, address, build)
    pki = ["--pki-dir", str(directory / "pki")]
    serve = ["serve", "--listen", address, "--database", str(directory / "state.db"), *pki]
    with daemon(directory, "apiserver", serve, build=build) as pid:
        yield pid


def initialised(directory: Path, address: str, build: Build = PRESENT) -> Path:
    """Make the keys of an embedded engine; returns the folder of its kubeconfigs."""
    folder = directory / "kubeconfig"
    program = build.command("flotta.cli.apiserver", "init")
    places = ["--pki-dir", str(directory / "pki"), "--kubeconfig-dir", str(folder)]
    subprocess.run(
        [*program, *places, "--server", f"https://{address}"],
        check=True,
        env=build.environment(),
    )
    return folder


@contextmanager
def running_operator(site: Site, build: Build = PRESENT, **settings: str) -> Iterator[int]:
    """Start one operator of the site; yields its process id."""
    environment = {
        "KUBECONFIG": site.kubeconfig("operator"),
        "PROBE_ADDR": f"127.0.0.1:{free_port()}",
        "AUTO_APPROVAL_PROCESS": "true",  # few tests are about who approves
        **settings,
    }
    with daemon(site.directory, "operator", [], environment, build) as pid:
        yield pid


def s3_settings(s3: S3Server) -> dict[str, str]:
    return {
        "S3_DEVICE_ENDPOINT": s3.endpoint,
        "S3_CA_FILE": str(s3.ca_file),
        "S3_ADMIN_FILE": str(s3.admin_file),
        "S3_KEYS_DIR": str(s3.keys),
    }


@contextmanager
def daemon(
    directory: Path,
    name: str,
    arguments: list[str],
    environment: dict[str, str] | None = None,
    build: Build = PRESENT,
) -> Iterator[int]:
    path = directory / f"{name}.notify"
    path.unlink(missing_ok=True)
    command = build.command(f"flotta.cli.{name}", *arguments)
    env = build.environment(NOTIFY_SOCKET=str(path), **(environment or {}))
    log = directory / f"{name}.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, log.open("ab") as output:
        notify.bind(str(path))
        notify.settimeout(READY_SECONDS)
        process = subprocess.Popen(command, stderr=output, env=env)
        try:
            assert _ready(notify), f"{name} did not start:\n{log.read_text()}"
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


def has_ended(pid: int) -> bool:
    """Tell whether a child process that was not waited for has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _ready(notify: socket.socket) -> bool:
    try:
        while notify.recv(100) != b"READY=1":
            continue  # a predecessor says that it is stopping
    except TimeoutError:
        return False
    return True


async def changes(client: Client, kind: Kind, version: str) -> list[Object]:
    """Return each state that objects of a kind came to after the version, once they rest."""
    for _ in range(2):  # a write too many may come late
        await Fleet(client).worked_off()
    end = max(number_of(obj) for obj in await client.list(kind))
    reached, found = int(version), []
    async with (
        asyncio.timeout(60),
        aclosing(client.watch(kind, resource_version=version)) as events,  # type: ignore[type-var]
    ):
        while reached < end:
            type_, obj = await anext(events)
            reached = number_of(obj)
            found += [obj] if type_ == "MODIFIED" else []
    return [obj for obj in found if not obj["metadata"]["name"].startswith(LATECOMER)]


def phase(value: str) -> Any:
    return lambda obj: obj.get("status", {}).get("phase") == value


def truths(request: Object) -> dict[str, str]:
    conditions = request.get("status", {}).get("conditions", ())
    return {item["type"]: item["status"] for item in conditions}


def number_of(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Fleet:
    """Shorthands of an administrator, and of the Edge API where a test plays it."""

    def __init__(self, client: Client):
        self.client = client

    async def namespace(self, name: str) -> None:
        await self.client.create(NAMESPACE, {"metadata": {"name": name}})

    async def request(self, name: str, namespace: str = "default", **spec: Any) -> Object:
        spec = {"targetNamespace": namespace, **spec}
        metadata = {"name": name, "namespace": "default"}
        return await self.client.create(SIGNED_REQUEST, {"metadata": metadata, "spec": spec})

    async def device(self, name: str, **labels: str) -> Object:
        metadata = {"name": name, "namespace": "default", "labels": labels}
        return await self.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})

    async def workload(self, name: str, **spec: Any) -> Object:
        pod = {"spec": {"containers": [{"name": "main", "image": "localhost/none"}]}}
        obj = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "pod", "pod": pod, **spec},
        }
        return await self.client.create(EDGE_WORKLOAD, obj)

    async def device_set(self, name: str, **spec: Any) -> Object:
        metadata = {"name": name, "namespace": "default"}
        return await self.client.create(EDGE_DEVICE_SET, {"metadata": metadata, "spec": spec})

    async def register(self, name: str, namespace: str = "default") -> None:
        """Do what the Edge API does at the first registration."""
        patch = {"metadata": {"labels": {"edgedeviceSignedRequest": None}}}
        await self.client.merge_patch(EDGE_DEVICE, name, namespace, patch)

    async def acknowledge(self, name: str) -> None:
        """Do what the Edge API does when the device acknowledges its removal."""
        condition = {"type": "Disconnected", "status": "True", "reason": "Acknowledged"}
        patch = {"status": {"conditions": [condition]}}
        await self.client.merge_patch(EDGE_DEVICE, name, "default", patch, "status")

    async def worked_off(self) -> None:
        """Return when the operator has handled all changes so far.

        A device that came later has had its turn by then.
        """
        name = f"{LATECOMER}{next(NUMBERS)}"
        await self.device(name, edgedeviceSignedRequest="true")
        await self.seen(EDGE_DEVICE, name, lambda device: device["metadata"].get("finalizers"))
        await self.client.delete(EDGE_DEVICE, name, "default")
        await self.gone(EDGE_DEVICE, name)

    async def find(self, kind: Kind, name: str, namespace: str = "default") -> Object | None:
        return await self.client.get_or_none(kind, name, namespace)

    async def gone(
        self, kind: Kind, name: str, namespace: str = "default", seconds: float = LIMIT
    ) -> None:
        async def look() -> bool:
            return await self.find(kind, name, namespace) is None

        await eventually(look, seconds)

    async def seen(
        self,
        kind: Kind,
        name: str,
        holds: Callable[[Object], object],
        namespace: str = "default",
        seconds: float = 30.0,
    ) -> Object:
        """Wait until the object exists and the condition holds for it."""

        async def look() -> Object | None:
            found = await self.find(kind, name, namespace)
            return found if found and holds(found) else None

        found = await eventually(look, seconds)
        assert found is not None
        return found
