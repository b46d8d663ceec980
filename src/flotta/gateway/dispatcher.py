"""The gRPC service that workers call.

See docs/reference/wire-protocol.md#grpc-between-gateway-and-worker.
"""

from __future__ import annotations

from typing import Any, TypeVar

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from flotta.gateway.outbox import Outbox
from flotta.gateway.settings import Settings
from flotta.gateway.workers import Workers
from flotta.protocol.grpc import (
    Config,
    Data,
    DispatcherBase,
    Empty,
    RegistrationRequest,
    RegistrationResponse,
    Response,
)

T = TypeVar("T")


class DispatcherService(DispatcherBase):
    """Register, Send, GetConfig."""

    def __init__(self, settings: Settings, workers: Workers, outbox: Outbox) -> None:
        self._settings = settings
        self._workers = workers
        self._outbox = outbox

    async def Register(  # noqa: N802
        self, stream: Stream[RegistrationRequest, RegistrationResponse]
    ) -> None:
        """Assign the address on which a worker listens, or refuse it."""
        request = await _receive_message(stream)
        if request.detached_content:
            raise GRPCError(
                Status.UNIMPLEMENTED,
                "detached content is not supported; register without detached_content",
            )
        address = self._workers.register(request.handler, request.pid, request.features)
        await stream.send_message(
            RegistrationResponse(registered=address is not None, address=address or "")
        )

    async def Send(self, stream: Stream[Data, Response]) -> None:  # noqa: N802
        """Send a message to the Edge API and return its response."""
        data = await _receive_message(stream)
        try:
            response = await self._outbox.send(data)
        except ValueError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from error
        await stream.send_message(Response(response=response))

    async def GetConfig(self, stream: Stream[Empty, Config]) -> None:  # noqa: N802
        """Return the configuration for workers, without key_file: only the gateway has the key.

        See docs/reference/wire-protocol.md#start.
        """
        await _receive_message(stream)
        settings = self._settings
        await stream.send_message(
            Config(
                log_level=settings.log_level,
                client_id=settings.device_id,
                socket_addr=f"unix:{settings.socket}",
                server=settings.server,
                cert_file="",
                key_file="",
                ca_root=";".join(map(str, settings.ca_root)),
            )
        )


async def _receive_message(stream: Stream[T, Any]) -> T:
    message = await stream.recv_message()
    if message is None:
        raise GRPCError(Status.INVALID_ARGUMENT, "the request is empty")
    return message
