"""A gateway in this process, the files it needs, and workers that talk to it over real sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from grpclib.client import Channel
from grpclib.server import Server, Stream

from flotta.gateway.gateway import Gateway
from flotta.gateway.settings import Settings, Timing, load_settings
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import key_to_pem, new_key
from flotta.identity.lifetime import load_certificate
from flotta.identity.requests import certificate_request, load_request
from flotta.protocol.grpc import (
    RECEIVED_DISCONNECT,
    Config,
    Data,
    DispatcherStub,
    Empty,
    EventNotification,
    EventReceipt,
    RegistrationRequest,
    RegistrationResponse,
    Response,
    WorkerBase,
)
from waiting import eventually

UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"
QUICK = Timing(
    connect_timeout=30,
    response_timeout=30,
    hold=2,
    retry_first=0.05,
    retry_cap=0.3,
    quick_response=0.5,
    quick_delay=0.6,
    worker_timeout=30,
    cleanup_timeout=30,
    renewal_retry_cap=0.5,
)


class DeviceFiles:
    """Configuration and identity of one device, as the role installs them."""

    def __init__(self, folder: Path, device_id: str = "till-7") -> None:
        self.folder = folder
        self.device_id = device_id
        self.pki = folder / "pki"
        self.state = folder / "state"
        for path in (self.pki, self.state):
            path.mkdir(exist_ok=True)

    def configure(self, server: str, ca: bytes, registration: CertificateAndKey) -> Settings:
        """Write all files and return the settings read from them."""
        (self.pki / "ca.pem").write_bytes(ca)
        (self.pki / "cert.pem").write_bytes(registration.certificate)
        (self.pki / "key.pem").write_bytes(registration.key)
        config = self.folder / "config.toml"
        config.write_text(
            f'server = "{server}"\nclient-id = "{self.device_id}"\nprotocol = "http"\n'
            f'path-prefix = "api/flotta-management/v1"\nca-root = ["{self.pki}/ca.pem"]\n'
            f'cert-file = "{self.pki}/cert.pem"\nkey-file = "{self.pki}/key.pem"\n'
        )
        return load_settings(
            config,
            self.folder / "tags.toml",
            state_folder=self.state,
            socket=self.folder / "gateway.sock",
            workers_folder=self.folder / "workers",
            group=None,
            users=frozenset({os.getuid()}),
            timing=QUICK,
        )

    def give_identity(self, authority: Authority, days: int = 30) -> None:
        """Install an identity of the device as first generation."""
        key = new_key()
        csr = load_request(certificate_request(key, self.device_id))
        generation = self.pki / "device" / "1"
        generation.mkdir(parents=True)
        pem = authority.sign_device(csr, self.device_id, "default", UID, days)
        (generation / "cert.pem").write_bytes(pem)
        (generation / "key.pem").write_bytes(key_to_pem(key))
        (self.pki / "device" / "current").symlink_to("1")

    @property
    def serial(self) -> int:
        """Serial number of the current device certificate, 0 without one."""
        path = self.pki / "device" / "current" / "cert.pem"
        return load_certificate(path.read_bytes()).serial_number if path.exists() else 0


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """Run a gateway until the block is left; its errors are raised there."""
    gateway = Gateway(settings)
    stop = asyncio.Event()
    task = asyncio.create_task(gateway.run(stop))
    await eventually(settings.socket.exists)
    try:
        yield gateway
    finally:
        stop.set()
        await task


class TestWorker(WorkerBase):
    """Registers as `device`, remembers what it gets."""

    __test__ = False

    def __init__(self, settings: Settings) -> None:
        self.configurations: list[dict[str, Any]] = []
        self.events: list[EventNotification] = []
        self._channel = Channel(path=str(settings.socket))
        self.dispatcher = DispatcherStub(self._channel)
        self._server = Server([self])

    async def Send(self, stream: Stream[Data, Response]) -> None:  # noqa: N802
        data = await stream.recv_message()
        assert data is not None
        self.configurations.append(json.loads(data.content))
        await stream.send_message(Response())

    async def NotifyEvent(  # noqa: N802
        self, stream: Stream[EventNotification, EventReceipt]
    ) -> None:
        event = await stream.recv_message()
        assert event is not None
        self.events.append(event)
        await stream.send_message(EventReceipt())

    @property
    def disconnects(self) -> int:
        return [event.name for event in self.events].count(RECEIVED_DISCONNECT)

    async def register(self, pid: int = 0) -> RegistrationResponse:
        """Register and listen where the gateway says."""
        request = RegistrationRequest(handler="device", pid=pid or os.getpid())
        answer = await self.dispatcher.Register(request, timeout=30)
        if answer.registered:
            path = Path(answer.address.removeprefix("unix:"))
            path.parent.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            await self._server.start(path=str(path))
        return answer

    async def config(self) -> Config:
        return await self.dispatcher.GetConfig(Empty(), timeout=30)

    async def send(self, directive: str, content: Any) -> dict[str, Any]:
        """Send a message; {} when the gateway has no answer."""
        data = Data(
            message_id=str(uuid.uuid4()),
            directive=directive,
            content=json.dumps(content).encode(),
        )
        answer = await self.dispatcher.Send(data, timeout=90)
        decoded: dict[str, Any] = json.loads(answer.response) if answer.response else {}
        return decoded

    async def join(self) -> None:
        """Enrol until approved, then register."""

        async def is_approved() -> bool:
            return (await self.send("enrolment", {"features": {}})).get("StatusCode") == 208

        await eventually(is_approved)
        answer = await self.send("registration", {"hardware": {"hostname": "till"}})
        assert answer["StatusCode"] == 200, answer

    async def close(self) -> None:
        self._channel.close()
        with suppress(RuntimeError):
            self._server.close()
            await self._server.wait_closed()


@asynccontextmanager
async def worker_of(settings: Settings) -> AsyncIterator[TestWorker]:
    """Return a worker that is connected, not registered."""
    worker = TestWorker(settings)
    try:
        yield worker
    finally:
        await worker.close()


def with_timing(settings: Settings, **changes: float) -> Settings:
    """Return settings with other waiting times."""
    return dataclasses.replace(settings, timing=dataclasses.replace(settings.timing, **changes))
