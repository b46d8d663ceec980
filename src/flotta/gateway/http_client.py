"""HTTP/1.1 over one kept connection, one request at a time (RFC 9112, by h11)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

from flotta import __version__
from flotta.gateway.errors import BadResponse, GatewayError, ProbablyRefused, Unreachable
from flotta.gateway.identity import Identity
from flotta.gateway.settings import Settings
from flotta.gateway.tls_connection import REFUSED, TlsConnection

MAX_RESPONSE_SIZE = 32 * 1024 * 1024  # bytes
SLOWEST = 512  # bytes a second at which a body is sent, as the Edge API allows
EXCHANGE_TIMEOUT = 15 * 60.0  # seconds; ends a response that trickles in without end
CHUNK_SIZE = 16 * 1024  # bytes read or written at once
USER_AGENT = f"flotta-gateway/{__version__}"


@dataclass(frozen=True)
class HttpRequest:
    """A request; `hold` is how many seconds the server may wait before it responds."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hold: float = 0.0


@dataclass(frozen=True)
class HttpResponse:
    """Status, headers by lower-case name, body, the seconds it took, and whom it is for.

    `identity` is the one that the connection was opened with: a new certificate may have been
    installed since. None is a response that this device gave itself.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    elapsed: float = 0.0
    identity: Identity | None = None

    @property
    def ok(self) -> bool:
        """Whether the Edge API accepted this device."""
        return self.status < 300 or self.status == 304

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks the client to wait (RFC 9110, 10.2.3), 0 without it."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() else 0.0


class _Dropped(GatewayError):
    """The connection was closed here, to use a new identity."""


class HttpConnection:
    """Requests one after the other over a connection that is opened when needed."""

    def __init__(self, settings: Settings, connect: Callable[[], Awaitable[TlsConnection]]) -> None:
        self._settings = settings
        self._connect = connect
        self._connection: TlsConnection | None = None
        self._lock = asyncio.Lock()

    async def request(self, request: HttpRequest) -> HttpResponse:
        """Return the response, whatever its status; raise GatewayError when there is none.

        A kept connection may have ended unnoticed; then the request is repeated once on a new
        connection, which is safe because every message of this protocol may arrive twice.
        """
        async with self._lock:
            kept = self._connection is not None and self._connection.usable
            try:
                return await self._exchange(request)
            except _Dropped:
                return await self._exchange(request)
            except ProbablyRefused:
                if not kept:
                    raise
                return await self._exchange(request)

    def close(self) -> None:
        """Drop the connection; a request that is under way is repeated on a new one."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    @property
    def open(self) -> bool:
        """Whether there is a connection to be used again."""
        return self._connection is not None and self._connection.usable

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        if not self.open:
            self.close()
            self._connection = await self._connect()
        connection = self._connection
        assert connection is not None  # noqa: S101  for the type checker
        protocol = h11.Connection(h11.CLIENT)
        finished = False
        try:
            started = time.monotonic()
            async with asyncio.timeout(EXCHANGE_TIMEOUT):
                await self._send_request(connection, protocol, request)
                response = await self._receive_response(connection, protocol, request, started)
            finished = (protocol.our_state, protocol.their_state) == (h11.DONE, h11.DONE)
            return response
        except h11.ProtocolError as error:
            raise BadResponse(f"the server's response is not valid HTTP: {error}") from error
        except TimeoutError as error:
            raise Unreachable(f"{self._settings.server} did not respond in time") from error
        finally:
            if not finished and self._connection is connection:
                self.close()

    async def _send_request(
        self, connection: TlsConnection, protocol: h11.Connection, request: HttpRequest
    ) -> None:
        headers = [("Host", self._settings.server), ("User-Agent", USER_AGENT), *request.headers]
        if request.method == "POST":
            headers += [("Content-Type", "application/json")]
            headers += [("Content-Length", str(len(request.body)))]
        head = h11.Request(method=request.method, target=request.path, headers=headers)
        data = protocol.send(head) or b""
        if request.body:
            data += protocol.send(h11.Data(data=request.body)) or b""
        data += protocol.send(h11.EndOfMessage()) or b""
        try:
            for start in range(0, len(data), CHUNK_SIZE):
                connection.writer.write(data[start : start + CHUNK_SIZE])
                async with asyncio.timeout(self._settings.timing.response_timeout):
                    await connection.writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass  # the server may have responded before it closed, for example with 413

    async def _receive_response(
        self,
        connection: TlsConnection,
        protocol: h11.Connection,
        request: HttpRequest,
        started: float,
    ) -> HttpResponse:
        head: h11.Response | None = None
        body, silent = bytearray(), True
        # The kernel takes a body at once; sending it takes longer.
        seconds = self._settings.timing.response_timeout + request.hold
        seconds += len(request.body) / SLOWEST
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                data = await self._read_chunk(connection, seconds, silent=silent)
                protocol.receive_data(data)
                seconds, silent = self._settings.timing.response_timeout, False
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_RESPONSE_SIZE:
                    raise BadResponse(
                        f"the server's response is larger than {MAX_RESPONSE_SIZE} bytes"
                    )
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                elapsed = time.monotonic() - started
                return _make_response(head, bytes(body), elapsed, connection.identity)
            elif isinstance(event, h11.ConnectionClosed):
                raise BadResponse("the server closed the connection in the middle of a response")

    async def _read_chunk(
        self, connection: TlsConnection, seconds: float, *, silent: bool
    ) -> bytes:
        reason = ""
        try:
            async with asyncio.timeout(seconds):
                data = await connection.reader.read(CHUNK_SIZE)
        except ssl.SSLError as error:  # a server that sends an alert, such as that of v0.2
            data, reason = b"", f" (TLS: {error.reason})"
        except ConnectionError:
            data = b""
        if not data and self._connection is not connection:
            raise _Dropped("the connection was dropped on this side")
        if not data and silent:
            raise ProbablyRefused(REFUSED.format(cert=connection.identity.cert_path) + reason)
        return data


def _make_response(
    head: h11.Response, body: bytes, elapsed: float, identity: Identity
) -> HttpResponse:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]};{value}" if name in headers else value
    return HttpResponse(head.status_code, headers, body, elapsed, identity)
