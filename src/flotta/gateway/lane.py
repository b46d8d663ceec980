"""HTTP/1.1 over one kept connection, one request at a time (RFC 9112, by h11)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

from flotta import __version__
from flotta.gateway.connection import REFUSED, Connection
from flotta.gateway.errors import BadAnswer, GatewayError, ProbablyRefused, Unreachable
from flotta.gateway.settings import Settings

LARGEST_ANSWER = 32 * 1024 * 1024
LONGEST_EXCHANGE = 15 * 60.0  # seconds; ends what trickles in for ever
PIECE = 16 * 1024
USER_AGENT = f"flotta-gateway/{__version__}"


@dataclass(frozen=True)
class Request:
    """What to send; `hold` is how many seconds the server may wait before it answers."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hold: float = 0.0


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, body, and the seconds it took."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    elapsed: float = 0.0

    @property
    def good(self) -> bool:
        """Tell an answer that means the Edge API accepted this device."""
        return self.status < 300 or self.status == 304


class _Dropped(GatewayError):
    """This side closed the connection, to use a new identity."""


class Lane:
    """Requests one after the other over a connection that is opened when needed."""

    def __init__(self, settings: Settings, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._settings = settings
        self._connect = connect
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def request(self, request: Request) -> Answer:
        """Return the answer, whatever its status; raise GatewayError when there is none.

        A kept connection may have ended unnoticed; then the request is repeated once on a new one,
        which is safe because every message of this protocol may arrive twice.
        """
        async with self._turn:
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
        """Tell whether there is a connection to be used again."""
        return self._connection is not None and self._connection.usable

    async def _exchange(self, request: Request) -> Answer:
        if not self.open:
            self.close()
            self._connection = await self._connect()
        connection = self._connection
        assert connection is not None  # noqa: S101  for the type checker
        protocol = h11.Connection(h11.CLIENT)
        finished = False
        try:
            started = time.monotonic()
            async with asyncio.timeout(LONGEST_EXCHANGE):
                await self._send(connection, protocol, request)
                answer = await self._receive(connection, protocol, request, started)
            finished = (protocol.our_state, protocol.their_state) == (h11.DONE, h11.DONE)
            return answer
        except h11.ProtocolError as error:
            raise BadAnswer(f"the server's answer is no proper HTTP: {error}") from error
        except TimeoutError as error:
            raise Unreachable(f"{self._settings.server} did not answer in time") from error
        finally:
            if not finished and self._connection is connection:
                self.close()

    async def _send(
        self, connection: Connection, protocol: h11.Connection, request: Request
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
            for start in range(0, len(data), PIECE):
                connection.writer.write(data[start : start + PIECE])
                async with asyncio.timeout(self._settings.pace.answer):
                    await connection.writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass  # the server may have answered before it closed, for example with 413

    async def _receive(
        self,
        connection: Connection,
        protocol: h11.Connection,
        request: Request,
        started: float,
    ) -> Answer:
        head: h11.Response | None = None
        body, silent = bytearray(), True
        patience = self._settings.pace.answer + request.hold
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                data = await self._read(connection, patience, silent=silent)
                protocol.receive_data(data)
                patience, silent = self._settings.pace.answer, False
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > LARGEST_ANSWER:
                    raise BadAnswer(f"the server's answer is larger than {LARGEST_ANSWER} bytes")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _answer(head, bytes(body), time.monotonic() - started)
            elif isinstance(event, h11.ConnectionClosed):
                raise BadAnswer("the server closed the connection in the middle of an answer")

    async def _read(self, connection: Connection, patience: float, *, silent: bool) -> bytes:
        reason = ""
        try:
            async with asyncio.timeout(patience):
                data = await connection.reader.read(PIECE)
        except ssl.SSLError as error:  # a server that does send an alert, such as v0.2's
            data, reason = b"", f" (TLS: {error.reason})"
        except ConnectionError:
            data = b""
        if not data and self._connection is not connection:
            raise _Dropped("the connection was dropped on this side")
        if not data and silent:
            raise ProbablyRefused(REFUSED.format(cert=self._settings.cert_file) + reason)
        return data


def _answer(head: h11.Response, body: bytes, elapsed: float) -> Answer:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]};{value}" if name in headers else value
    return Answer(head.status_code, headers, body, elapsed)
