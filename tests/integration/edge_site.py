"""A resource API and an Edge API as real processes, and devices that talk to them over TLS."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from multidict import CIMultiDictProxy
from operator_site import resource_api

from flotta.fleet.tombstones import Tombstone, Wipe, make_tombstone
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import key_to_pem, new_key, public_key_fingerprint
from flotta.identity.requests import certificate_request
from flotta.identity.ssl_contexts import client_context
from flotta.own_names import FLOTTA_NAMESPACE
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, SECRET, SIGNED_REQUEST
from releases import PRESENT, Build
from servers.ports import free_port
from waiting import NotInTimeError, eventually, wait_until

Object = dict[str, Any]
T = TypeVar("T")
BASE = "/api/flotta-management/v1"
END_SECONDS = 60
EDGE_API = "flotta.cli.edge_api"  # the module that is run
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Site:
    """Where things are; `environment` starts further components."""

    directory: Path
    kubeconfig: Path
    port: int
    monitoring_port: int
    environment: dict[str, str]
    pid: int = 0  # of the Edge API


@dataclass
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def edge_site(directory: Path, engine: str = "embedded", **environment: str) -> Iterator[Site]:
    """Start resource API and Edge API; they are ended when the block is left."""
    with (
        resource_api(directory, engine) as access,
        edge_api(directory, access, **environment) as started,
    ):
        yield started


@contextmanager
def two_edge_apis(directory: Path, engine: str) -> Iterator[tuple[Site, Site]]:
    """Start a resource API with two replicas of the Edge API."""
    with (
        resource_api(directory, engine) as access,
        edge_api(directory, access) as first,
        edge_api(directory, access) as second,
    ):
        yield first, second


@contextmanager
def edge_api(
    directory: Path, access: Callable[[str], Path], build: Build = PRESENT, **environment: str
) -> Iterator[Site]:
    """Start an Edge API on an engine that runs, and wait until it is ready."""
    port, monitoring_port = free_port(), free_port()
    env = {
        "KUBECONFIG": str(access("edge-api")),
        "BIND_ADDRESS": "127.0.0.1",
        "HTTPS_PORT": str(port),
        "METRICS_ADDR": f"127.0.0.1:{monitoring_port}",
        **environment,
    }
    with process(directory / "edge-api.log", env, EDGE_API, build=build) as pid:
        site = Site(directory, access("admin"), port, monitoring_port, env, pid)
        wait_for_ready(site)
        yield site


@contextmanager
def process(
    log: Path, env: dict[str, str], module: str, *arguments: str, build: Build = PRESENT
) -> Iterator[int]:
    """Run a module of ours as a process; yields its id."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            build.command(module, *arguments),
            env=build.environment(**env),
            stdout=output,
            stderr=output,
        )
    try:
        yield started.pid
    finally:
        started.terminate()
        started.wait(END_SECONDS)


class Device:
    """Speaks the device's side of the wire interface, over one kept connection."""

    def __init__(
        self, site: Site, ca: bytes, device_id: str, identity: CertificateAndKey | None
    ) -> None:
        self.device_id = device_id
        self.key = new_key()
        self.port = site.port
        self._origin = f"https://127.0.0.1:{site.port}{BASE}"
        self._directory = site.directory
        self._ca = ca
        self._session: aiohttp.ClientSession | None = None
        self.identity = identity

    def at(self, site: Site) -> Device:
        """Return the same device as it speaks with another server."""
        return Device(site, self._ca, self.device_id, self.identity)

    async def use(self, identity: CertificateAndKey | None) -> None:
        """Present this certificate on a new connection."""
        await self.close()
        self.identity = identity

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, channel: str, device_id: str = "", **headers: str) -> Reply:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        url = f"{self._origin}/{channel}/{device_id or self.device_id}/in"
        async with self._open().get(url, headers=named) as response:
            return Reply(response.status, response.headers, await response.read())

    async def post(self, channel: str, message: Any, device_id: str = "") -> Reply:
        url = f"{self._origin}/{channel}/{device_id or self.device_id}/out"
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        headers = {"Content-Type": "application/json"}
        async with self._open().post(url, data=data, headers=headers) as response:
            return Reply(response.status, response.headers, await response.read())

    async def send(self, directive: str, content: Any, device_id: str = "") -> Reply:
        return await self.post("data", data_message(directive, content), device_id)

    async def enrol(self, **content: Any) -> Reply:
        fingerprint = public_key_fingerprint(self.key.public_key())
        return await self.send(
            "enrolment", {"features": {}, "public_key_fingerprint": fingerprint, **content}
        )

    async def register(self, **hardware: Any) -> Reply:
        """Register with the device's key; on success its certificate is used from then on."""
        request = certificate_request(self.key, self.device_id).decode()
        reply = await self.send(
            "registration", {"certificate_request": request, "hardware": hardware}
        )
        if reply.status == 200:
            certificate = reply.json()["content"]["certificate"].encode()
            await self.use(CertificateAndKey(certificate, key_to_pem(self.key)))
        return reply

    async def held(self, request: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a request that the Edge API holds.

        It is held when this returns: later requests have been answered.

        They go over a connection of their own, so they cannot overtake it on their way.
        """
        task = asyncio.create_task(request)
        for _ in range(3):
            await self.get("control")
        return task

    async def beat(self, **content: Any) -> Reply:
        return await self.send("heartbeat", {"status": "up", "version": "", **content})

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self.tls_context(), limit=10)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=60)
            )
        return self._session

    def tls_context(self) -> Any:
        """Return a context that presents the device's certificate."""
        if self.identity is None:
            return client_context(self._ca)
        stem = self._directory / uuid.uuid4().hex
        certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        certificate.write_bytes(self.identity.certificate)
        key.touch(0o600)
        key.write_bytes(self.identity.key)
        return client_context(self._ca, certificate, key)


@dataclass
class Fleet:
    """The administrator's view of a site, and the operator's part in it."""

    site: Site
    client: Client
    authority: Authority
    registration: CertificateAndKey

    def device(self, device_id: str = "", identity: CertificateAndKey | None = None) -> Device:
        name = device_id or f"d-{uuid.uuid4().hex[:12]}"
        return Device(
            self.site, self.authority.certificate_pem, name, identity or self.registration
        )

    def stranger(self, device_id: str, identity: CertificateAndKey | None) -> Device:
        """Return a client with this certificate, or none."""
        return Device(self.site, self.authority.certificate_pem, device_id, identity)

    async def approve(self, device_id: str, **labels: str) -> Object:
        """Approve the request, and create the EdgeDevice as the operator does then."""
        with suppress(NotFound):
            approval = {"spec": {"approved": True}}
            await self.client.merge_patch(SIGNED_REQUEST, device_id, "default", approval)
        return await self.client.create(
            EDGE_DEVICE,
            {
                "metadata": {
                    "name": device_id,
                    "namespace": "default",
                    "labels": {"edgedeviceSignedRequest": "true", **labels},
                },
                "spec": {},
            },
        )

    async def issue(self, name: str, **specification: Any) -> CertificateAndKey:
        """Issue a registration batch as modules and command line do; return its certificate."""
        batch = b64encode(json.dumps(specification).encode()).decode()
        labels = {"reg-client-ca": "true"}
        metadata = {"name": name, "namespace": FLOTTA_NAMESPACE, "labels": labels}
        await self.client.create(
            SECRET, {"metadata": metadata, "type": "Opaque", "data": {"batch": batch}}
        )

        async def is_filled() -> Object | None:
            found = await self.batch(name)
            return found if "client.crt" in found["data"] else None

        return certificate_of(await eventually(is_filled))

    async def specify(self, name: str, **specification: Any) -> None:
        """Change the specification of a batch."""
        batch = b64encode(json.dumps(specification).encode()).decode()
        await self.client.merge_patch(SECRET, name, FLOTTA_NAMESPACE, {"data": {"batch": batch}})

    async def batch(self, name: str) -> Object:
        return await self.client.get(SECRET, name, FLOTTA_NAMESPACE)

    async def joined(self, **labels: str) -> Device:
        """Return a registered device."""
        device = self.device()
        assert (await device.enrol()).status == 200
        await self.approve(device.device_id, **labels)
        assert (await device.register(hostname=device.device_id)).status == 200
        return device

    async def bury(self, obj: Object, wipe: Wipe = "granted") -> None:
        """Write a tombstone as the operator does for a deleted EdgeDevice."""
        tombstone = Tombstone.of(obj, wipe, datetime.now(UTC))
        await self.client.create(CONFIG_MAP, make_tombstone(tombstone, FLOTTA_NAMESPACE))

    async def get(self, device: Device) -> Object:
        return await self.client.get(EDGE_DEVICE, device.device_id, "default")

    async def request(self, device: Device) -> Object | None:
        try:
            return await self.client.get(SIGNED_REQUEST, device.device_id, "default")
        except NotFound:
            return None


@asynccontextmanager
async def fleet_of(site: Site) -> AsyncIterator[Fleet]:
    """Open a site as its administrator."""
    async with await Client.connect(str(site.kubeconfig)) as client:
        ca = (await client.get(SECRET, "flotta-ca", "flotta"))["data"]
        authority = Authority.from_pem(b64decode(ca["ca.crt"]), b64decode(ca["ca.key"]))
        secrets = await client.list(SECRET, "flotta", label_selector="reg-client-ca=true")
        own = (item for item in secrets if item["metadata"]["name"].startswith("reg-client-ca-"))
        yield Fleet(site, client, authority, certificate_of(next(own)))


def certificate_of(secret: Object) -> CertificateAndKey:
    """Return the registration certificate of a batch."""
    data = secret["data"]
    return CertificateAndKey(b64decode(data["client.crt"]), b64decode(data["client.key"]))


def data_message(directive: str, content: Any) -> Object:
    return {
        "type": "data",
        "message_id": str(uuid.uuid4()),
        "response_to": "",
        "version": 1,
        "sent": "2026-01-10T09:00:00.123456789+01:00",
        "directive": directive,
        "metadata": None,
        "content": content,
    }


def wait_for_ready(site: Site) -> None:
    url = f"http://127.0.0.1:{site.monitoring_port}/readyz"

    def is_ready() -> bool:
        with urllib.request.urlopen(url, timeout=10):
            return True

    try:
        wait_until(is_ready, tolerate=OSError)
    except NotInTimeError as error:
        raise AssertionError((site.directory / "edge-api.log").read_text()) from error
