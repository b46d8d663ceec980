"""A gateway without a control plane: real gRPC on real unix sockets, answers chosen by the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib.client import Channel
from grpclib.server import Server

from flotta.protocol.grpc import (
    RECEIVED_DISCONNECT,
    Config,
    Data,
    DispatcherBase,
    EventNotification,
    RegistrationResponse,
    Response,
    WorkerStub,
)


class _Listener(socket.socket):
    """Keeps a second handle on each connection, to break it."""

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        self.__dict__.setdefault("accepted", []).append(connection.dup())
        return connection, address

    def break_all(self) -> None:
        for connection in self.__dict__.pop("accepted", []):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@dataclass
class Sent:
    """One message that the worker sent."""

    directive: str
    content: Any


@dataclass
class PlainGateway(DispatcherBase):
    """Answers each directive with a status of `statuses` (the last repeats; None: no response)."""

    folder: Path
    device_id: str = "device-1"
    statuses: dict[str, list[int | None]] = field(
        default_factory=lambda: {"enrolment": [208], "registration": [200], "heartbeat": [200]}
    )
    headers: dict[str, str] = field(default_factory=dict)  # of the responses to heartbeats
    sent: list[Sent] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)  # directives that are never answered
    registrations: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _server: Server | None = None
    _listener: Any = None

    @property
    def address(self) -> str:
        return f"unix:{self.folder / 'gateway.sock'}"

    async def start(self) -> None:
        (self.folder / "gateway.sock").unlink(missing_ok=True)
        self._listener = _Listener(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.folder / "gateway.sock"))
        self._server = Server([self])
        await self._server.start(sock=self._listener)

    async def stop(self) -> None:
        """End as a process does that is killed: all connections break."""
        assert self._server is not None
        self._server.close()
        self._listener.break_all()
        await self._server.wait_closed()

    async def Register(self, stream: Any) -> None:  # noqa: N802 (gRPC name)
        await stream.recv_message()
        self.registrations += 1
        address = f"unix:{self.folder / 'device.sock'}"
        await stream.send_message(RegistrationResponse(registered=True, address=address))
        self.news.set()

    async def GetConfig(self, stream: Any) -> None:  # noqa: N802 (gRPC name)
        await stream.recv_message()
        await stream.send_message(Config(client_id=self.device_id))

    async def Send(self, stream: Any) -> None:  # noqa: N802 (gRPC name)
        data = await stream.recv_message()
        self.sent.append(Sent(data.directive, json.loads(data.content or b"null")))
        if data.directive in self.silent:
            self.news.set()
            await asyncio.Event().wait()
        answers = self.statuses[data.directive]
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        headers = self.headers if data.directive == "heartbeat" else {}
        body = json.dumps({"StatusCode": status, "Body": None, "Metadata": headers}).encode()
        await stream.send_message(Response(response=b"" if status is None else body))
        self.news.set()

    async def configure(self, content: bytes) -> None:
        """Give the worker a configuration message."""
        async with Channel(path=str(self.folder / "device.sock")) as channel:
            await WorkerStub(channel).Send(Data(directive="device", content=content), timeout=30)

    async def notify(self, event: EventNotification) -> None:
        """Tell the worker an event; returns when it has confirmed."""
        async with Channel(path=str(self.folder / "device.sock")) as channel:
            await WorkerStub(channel).NotifyEvent(event, timeout=60)

    async def disconnect(self) -> None:
        """Disconnect the device; returns when the worker has confirmed."""
        await self.notify(EventNotification(name=RECEIVED_DISCONNECT))

    def heartbeats(self) -> list[dict[str, Any]]:
        return [message.content for message in self.sent if message.directive == "heartbeat"]

    async def wait_for(self, condition: Any, seconds: float = 30.0) -> None:
        """Wait until `condition()` holds; the failure shows all that was sent."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            assert condition(), f"it did not come: {self.sent[-5:]}"
