"""One HTTP connection behind the gate: its owner, its deadlines, its errors.

aiohttp closes an idle connection by itself. It waits without an end for headers that have begun and
for bodies, and it answers what it cannot parse with plain text that names its version.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import StreamReader, web

from flotta.printable_text import printable
from flotta.serving.connections import Connections
from flotta.serving.limits import Deadlines, Identify
from flotta.serving.pending import Pending

HEADER_LINE = 8190  # bytes of the request line, and of one header
HEADERS = 64  # of one request
# Seconds and bytes in which the rest of a refused body is read, so that the refusal arrives (RFC
# 9112, 9.6). Without the second, a peer could have its data decrypted all the time.
LINGERING = 2.0
LINGERING_BYTES = 4 * 1024 * 1024  # more than any body that is allowed
LAST_LOOK = 0.1  # seconds
log = logging.getLogger(__name__)

ErrorResponse = Callable[[int, str], web.Response]  # from HTTP status and sentence


@dataclass(frozen=True)
class Gate:
    """What all connections of a server share."""

    server: web.Server
    name: str  # the value of the header Server
    connections: Connections
    deadlines: Deadlines
    identify: Identify
    error_response: ErrorResponse

    def refuse(self, status: int, sentence: str) -> web.Response:
        """Return an error, which does not name the framework."""
        response = self.error_response(status, sentence)
        response.headers["Server"] = self.name
        return response


class HttpConnection(web.RequestHandler):
    """A connection from the end of its handshake to its own end."""

    def __init__(self, gate: Gate, accepted: Pending) -> None:
        super().__init__(
            gate.server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=gate.deadlines.idle,
            max_line_size=HEADER_LINE,
            max_field_size=HEADER_LINE,
            max_headers=HEADERS,
            lingering_time=LINGERING,
            auto_decompress=False,  # inflating is work before authority and rate are known
        )
        self._gate = gate
        self._accepted = accepted
        self._peer = (accepted.host, accepted.port)
        self._timer: asyncio.TimerHandle | None = None
        self._content: StreamReader | None = None  # of the last request
        self._is_handling = False
        self._unwanted = 0  # bytes of a body that were received after its response
        self.certificate: bytes | None = None  # DER
        self.owner = gate.identify(None)

    @property
    def peername(self) -> tuple[str, int]:
        """Address and port of the client, also behind a balancer (PROXY protocol)."""
        return self._peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place among the connections of the owner."""
        tls = transport.get_extra_info("ssl_object")
        self.certificate = tls.getpeercert(True) if tls else None
        self.owner = self._gate.identify(self.certificate)
        super().connection_made(transport)
        self._accepted.established(self._accepted)
        self._gate.connections.add(self)
        self._arm(self._gate.deadlines.first_request, self.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self._disarm()
        self._gate.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass data on; when they begin a request, its headers have to be complete in time."""
        read_whole = self._content is None or self._content.is_eof()
        if data and self._timer is None and not self._is_handling and read_whole:
            self._arm(self._gate.deadlines.headers, self.abort)
        if not self._is_handling and not read_whole:
            self._unwanted += len(data)
            if self._unwanted > LINGERING_BYTES:
                self.abort()
                return
        super().data_received(data)

    def abort(self) -> None:
        """Close the connection at once, without waiting for the client."""
        if self.transport is not None:
            self.transport.abort()

    def begin(self, request: web.BaseRequest) -> None:
        """Note that the headers of a request are complete."""
        self._disarm()
        self._is_handling = True
        self._content = request.content
        self._unwanted = 0
        self._gate.connections.note_busy(self)
        if not request.content.is_eof():
            self._arm(self._gate.deadlines.for_body(request.content_length), self._give_up_body)

    def end(self) -> None:
        """Note that the request has its response."""
        self._disarm()
        self._is_handling = False
        self._gate.connections.note_idle(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to what cannot be parsed (400), or to a defect (500)."""
        if status == 400:
            log.debug("%s sent no HTTP request: %s", request.remote, message)
            sentence = "this is not an HTTP/1.1 request, or its headers are too long"
        else:
            log.error("%s %s failed", request.method, printable(request.path), exc_info=exc)
            status, sentence = 500, "internal error"
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun already")
        response = self._gate.refuse(status, sentence)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a defect; a body that was given up has its response already."""
        if not isinstance(kw.get("exc_info"), web.HTTPRequestTimeout):
            log.error(*args, **kw)

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._arm_last, action)

    def _arm_last(self, action: Callable[[], None]) -> None:
        """Read once more before a deadline ends: the machine may have stood still until now."""
        self._timer = asyncio.get_running_loop().call_later(LAST_LOOK, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up_body(self) -> None:
        """Let the handler's next read raise a 408, unless the body is here by now."""
        if self._content is not None and not self._content.is_eof():
            self._content.set_exception(web.HTTPRequestTimeout())
