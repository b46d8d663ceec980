"""The client of the gateway, and the service that the gateway calls.

A second, idle connection reaches its end of file when the gateway stops; the worker then registers
again, with a back-off of at most ten seconds. Both sides check the user of the other process on
each connection (docs/reference/device.md#local-sockets).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.server import Stream

from flotta.backoff import Backoff
from flotta.protocol.directives import DEVICE, PODS_FIELD, REGISTRATION, STOP_PODS
from flotta.protocol.envelope import encode
from flotta.protocol.forwarded_response import ForwardedResponse
from flotta.protocol.grpc import (
    CONNECTION_RESTORED,
    RECEIVED_DISCONNECT,
    Config,
    Data,
    DispatcherStub,
    Empty,
    EventNotification,
    EventReceipt,
    RegistrationRequest,
    Response,
    WorkerBase,
)
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import RegistrationInfo
from flotta.protocol.reasons.refusals import DEVICE_QUARANTINED
from flotta.protocol.unix_channel import UserChannel
from flotta.protocol.unix_server import GuardedServer, peer_user
from flotta.settings.device import YGG_CLIENT_ID
from flotta.worker.certificate_session import CERTIFICATE_RECORD, CertificateSession
from flotta.worker.errors import DeliveryError, WorkerError
from flotta.worker.settings import Settings, socket_path
from flotta.worker.trusted_users import trusted_uids

log = logging.getLogger(__name__)

SEND_TIMEOUT = 120.0  # seconds; the gateway may renew its certificate meanwhile
REGISTER_TIMEOUT = 30.0  # seconds
GATEWAY_RETRY = 0.2, 10.0  # seconds: the first delay, the longest
CALL_ERRORS = (GRPCError, StreamTerminatedError, OSError, TimeoutError)


@dataclass(frozen=True)
class EdgeApiResponse:
    """HTTP status, header fields by lower-case name, and what the JSON of the body contains."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: object = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the Edge API took the message."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """The server's Retry-After in seconds; None for a date or without the header."""
        with contextlib.suppress(KeyError, ValueError):
            return float(self.headers["retry-after"])
        return None


class WorkerService(WorkerBase):
    """What the gateway calls: new content for the worker, and events."""

    def __init__(
        self,
        on_content: Callable[[bytes], None],
        on_disconnect: Callable[[], Awaitable[None]],
        on_quarantine: Callable[[bool], None],
    ) -> None:
        self._on_content = on_content
        self._on_disconnect = on_disconnect
        self._on_quarantine = on_quarantine  # gets whether the pods are to be stopped

    async def Send(self, stream: Stream[Data, Response]) -> None:  # noqa: N802 (gRPC name)
        """Take a message and answer at once; it is applied afterwards."""
        data = await stream.recv_message()
        if data is not None and data.directive in ("", DEVICE):
            self._on_content(bytes(data.content))
        await stream.send_message(Response())

    async def NotifyEvent(  # noqa: N802 (gRPC name)
        self, stream: Stream[EventNotification, EventReceipt]
    ) -> None:
        """Answer RECEIVED_DISCONNECT when everything is removed, other events at once."""
        event = await stream.recv_message()
        if event is not None and event.name == RECEIVED_DISCONNECT:
            try:
                await self._on_disconnect()
            except (WorkerError, OSError) as error:
                raise GRPCError(Status.INTERNAL, str(error)) from error
        elif event is not None and event.name == CONNECTION_RESTORED:
            self._on_quarantine(False)
        elif event is not None and event.detail == DEVICE_QUARANTINED:
            self._on_quarantine(event.metadata.get(PODS_FIELD) == STOP_PODS)
        await stream.send_message(EventReceipt())


class GatewayClient:
    """Connection to the gateway, kept up by `run`.

    `on_connect` is called whenever the worker is registered with a gateway. `device_id` is empty
    until then. Under a gateway that leaves the device's certificate to its workers, it does the
    worker's part of that.
    """

    def __init__(self, settings: Settings, service: WorkerService) -> None:
        self._settings = settings
        self._service = service
        self._channel: Channel | None = None
        self._server: GuardedServer | None = None
        self._address = ""
        self._is_stopping = False
        self.connected = asyncio.Event()
        self.device_id = ""
        self.on_connect: Callable[[], None] = lambda: None
        # Where the gateway leaves the certificate to its workers: the device has to register.
        self.on_unregistered: Callable[[], None] = lambda: None
        self._certificate: CertificateSession | None = None

    async def run(self) -> None:
        """Register, stay registered while the gateway runs, register again when it is back."""
        backoff = Backoff(*GATEWAY_RETRY)
        path = socket_path(self._settings.gateway_address)
        await self._finish_certificate_change()
        try:
            while True:
                await self._try_session(path, backoff)
                await asyncio.sleep(backoff.next())
        except asyncio.CancelledError:
            self._is_stopping = True
            raise
        finally:
            self._close_channel()
            if self._server is not None:
                self._server.close()

    async def send(self, directive: str, content: msgspec.Struct) -> EdgeApiResponse:
        """Send a message to the Edge API once the gateway is connected; return the response.

        Raises DeliveryError when there was no response.
        """
        await self.connected.wait()
        if self._certificate is None:
            return await self._deliver(directive, content)
        complete = await self._certificate.complete(content)
        response = await self._deliver(directive, complete)
        if self._certificate is not None:
            await self._certificate.take(content, response.status, response.body)
        return response

    def end_renewal(self) -> None:
        """Renew the device's certificate no more, until there is another connection."""
        if self._certificate is not None:
            self._certificate.close()

    async def _deliver(self, directive: str, content: msgspec.Struct) -> EdgeApiResponse:
        data = Data(message_id=str(uuid.uuid4()), directive=directive, content=encode(content))
        if self._channel is None:
            raise DeliveryError("the gateway is not running")
        try:
            reply = await DispatcherStub(self._channel).Send(data, timeout=SEND_TIMEOUT)
        except CALL_ERRORS as error:
            if self._is_stopping:
                # grpclib says that the channel was closed, although the caller was cancelled as
                # well; a loop that took that for a failure would never end, nor would the worker.
                raise asyncio.CancelledError from error
            raise DeliveryError(f"the gateway did not send {directive}: {error}") from error
        return _parse_response(bytes(reply.response), directive)

    async def _renew_certificate(self) -> int:
        return (await self.send(REGISTRATION, RegistrationInfo())).status

    async def _try_session(self, path: str, backoff: Backoff) -> None:
        try:
            await self._keep_session(path, backoff)
        except (DeliveryError, *CALL_ERRORS) as error:
            log.info("No gateway at %s: %s", self._settings.gateway_address, error)
        self._close_channel()

    async def _keep_session(self, path: str, backoff: Backoff) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            user = self._check_gateway(writer.get_extra_info("socket"))
            self._channel = UserChannel(path, user)
            await self._register(self._channel, user)
            backoff.reset()
            self.connected.set()
            self.on_connect()
            while await reader.read(4096):
                pass
            log.info("The gateway closed the connection")
        finally:
            writer.close()

    def _check_gateway(self, connection: socket.socket) -> int:
        uid = peer_user(connection)
        if uid not in trusted_uids(self._settings.gateway_user):
            raise DeliveryError(f"it runs as user id {uid}, not as the gateway's user")
        return uid

    async def _register(self, channel: Channel, user: int) -> None:
        stub = DispatcherStub(channel)
        request = RegistrationRequest(handler=DEVICE, pid=os.getpid())
        reply = await stub.Register(request, timeout=REGISTER_TIMEOUT)
        if not reply.registered:
            raise DeliveryError(f"it already has a worker for directive {DEVICE}")
        await self._listen(reply.address)
        config = await stub.GetConfig(Empty(), timeout=REGISTER_TIMEOUT)
        self.device_id = config.client_id or YGG_CLIENT_ID.read(os.environ)
        self._certificate = self._begin_certificate(config, user)
        log.info("Registered with the gateway as device %s", self.device_id)

    def _begin_certificate(self, config: Config, user: int) -> CertificateSession | None:
        if not config.key_file:
            return None
        # Loads cryptography, which a worker of our own gateway does without.
        from flotta.worker.own_certificate.session import begin_session  # noqa: PLC0415

        config.client_id = self.device_id
        return begin_session(
            self._settings.state_dir,
            config,
            user,
            self._renew_certificate,
            lambda: self.on_unregistered(),
        )

    async def _finish_certificate_change(self) -> None:
        """Finish what a crash interrupted: a gateway without a usable pair may not start."""
        if not (self._settings.state_dir / CERTIFICATE_RECORD).exists():
            return
        # Loads cryptography, see above.
        from flotta.worker.own_certificate.pair_files import finish_interrupted_change  # noqa: PLC0415

        try:
            await asyncio.to_thread(finish_interrupted_change, self._settings.state_dir)
        except DeliveryError as error:
            log.error("%s", error)

    async def _listen(self, address: str) -> None:
        if self._server is not None and address == self._address:
            return
        if self._server is not None:
            self._server.close()
        self._server = GuardedServer([self._service], trusted_uids(self._settings.gateway_user))
        await self._server.listen(socket_path(address), self._settings.ipc_group)
        self._address = address

    def _close_channel(self) -> None:
        self.connected.clear()
        self.end_renewal()
        self._certificate = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _parse_response(data: bytes, directive: str) -> EdgeApiResponse:
    if not data.strip():
        raise DeliveryError(f"no response to {directive}: the control plane cannot be reached")
    try:
        response = decode_json(data, ForwardedResponse, strict=False)
    except ValueError as error:
        raise DeliveryError(f"the gateway's response to {directive} is unreadable") from error
    headers = {name.lower(): str(value) for name, value in (response.headers or {}).items()}
    return EdgeApiResponse(response.status, headers, response.body)
