"""grpc: one call of the standard health service (gRPC Health Checking Protocol), without TLS.

It is spoken by h2 alone: a gRPC client reads a message of any length that a server announces.
"""

from __future__ import annotations

from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from google.protobuf.message import DecodeError
from grpclib.const import Status
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from flotta.worker.probes.connection import Connection, connect
from flotta.worker.probes.http_get import PROBE_AGENT
from flotta.worker.probes.probe import Grpc, ProbeFailed

PREFIX = 5  # bytes before a message: whether it is compressed, and its length
METHOD = "/grpc.health.v1.Health/Check"


@dataclass
class _Reply:
    """What has arrived of a response."""

    status: str = ""  # of HTTP
    grpc_status: str = ""
    body: bytes = b""
    is_complete: bool = False

    def add(self, event: h2.events.Event) -> None:
        """Take one event; raises ProbeFailed for one that ends the call."""
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            headers = {_text(name): _text(value) for name, value in event.headers or ()}
            self.status = headers.get(":status", self.status)
            self.grpc_status = headers.get("grpc-status", self.grpc_status)
        elif isinstance(event, h2.events.DataReceived):
            self.body += event.data or b""
        elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
            raise ProbeFailed("the server ended the call")
        elif isinstance(event, h2.events.StreamEnded):
            self.is_complete = True


async def check_health(action: Grpc, address: str) -> None:
    """Ask the pod at this address for the health of a service; raises ProbeFailed."""
    async with connect(address, action.port) as connection:
        try:
            reply = await _call(connection, action, f"{address}:{action.port}")
        except h2.exceptions.ProtocolError as error:
            raise ProbeFailed("the response is not valid HTTP/2") from error
    _judge(reply)


async def _call(connection: Connection, action: Grpc, authority: str) -> _Reply:
    protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    protocol.initiate_connection()
    message = HealthCheckRequest(service=action.service).SerializeToString()
    stream = protocol.get_next_available_stream_id()
    protocol.send_headers(stream, _make_headers(authority))
    frame = b"\0" + len(message).to_bytes(PREFIX - 1, "big") + message
    protocol.send_data(stream, frame, end_stream=True)
    reply = _Reply()
    while not reply.is_complete:
        await connection.send(protocol.data_to_send())
        data = await connection.read()
        if not data:
            raise ProbeFailed("no response")
        if connection.received == len(data) and data.startswith(b"HTTP/1."):
            raise ProbeFailed("the response is not HTTP/2")
        for event in protocol.receive_data(data):
            # A server may reset the stream or leave after its response (RFC 9113, section 8.1).
            if not reply.is_complete:
                reply.add(event)
    return reply


def _make_headers(authority: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", METHOD),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", PROBE_AGENT),
    ]


def _judge(reply: _Reply) -> None:
    if reply.status != "200":
        raise ProbeFailed(f"HTTP status {reply.status[:3]}")
    if reply.grpc_status != str(Status.OK.value):
        raise ProbeFailed(f"the call ended with {_name_status(reply.grpc_status)}")
    try:
        response = HealthCheckResponse.FromString(reply.body[PREFIX:])
    except DecodeError as error:
        raise ProbeFailed("the response is not that of a health service") from error
    if response.status != HealthCheckResponse.SERVING:
        known = HealthCheckResponse.ServingStatus
        names = {number: name for name, number in known.items()}
        raise ProbeFailed(f"the service is {names.get(response.status, 'in an unknown state')}")


def _name_status(code: str) -> str:
    try:
        return Status(int(code)).name
    except ValueError:
        return "no valid status"


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
