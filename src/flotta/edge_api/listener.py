"""The TLS listener: admits connections whose client certificate comes from the fleet's CA.

asyncio and uvloop drop a failed handshake without a word. Here every connection is accepted plain
and upgraded by us, so that a failure is logged with address and reason, and so that the context
can be exchanged while the server runs (removal of a CA needs a new one).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import cast

HANDSHAKE_TIMEOUT = 15.0  # seconds
MAXIMAL_HANDSHAKES = 512  # at the same time; more clients wait unread
LOGGED_PER_SECOND = 20
log = logging.getLogger(__name__)


class Listener:
    """Accepts TLS connections and gives each to a protocol of `factory`."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext) -> None:
        self.context = context  # may be replaced at any time; used for new connections
        self._factory = factory
        self._server: asyncio.Server | None = None
        self._turns = asyncio.Semaphore(MAXIMAL_HANDSHAKES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = _FailureLog()

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port (useful when 0 was asked for). OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Admission(self), host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop_accepting(self) -> None:
        """Close the listening socket and give up pending handshakes."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def welcome(self, admission: _Admission, transport: asyncio.Transport) -> None:
        """Start the handshake of a new connection in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._handshake(admission, transport))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handshake(self, admission: _Admission, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        try:
            async with self._turns:
                tls = await asyncio.get_running_loop().start_tls(
                    transport,
                    admission,
                    self.context,
                    server_side=True,
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self._log.failed(peer, error)
            transport.abort()
        except asyncio.CancelledError:
            transport.abort()
            raise
        else:
            if tls is not None:
                admission.hand_over(tls, self._factory())


class _Admission(asyncio.Protocol):
    """Keeps what arrives between the end of the handshake and the hand-over to HTTP."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._early = bytearray()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast("asyncio.Transport", transport)
        plain.pause_reading()  # nothing is read before TLS is in place
        self._listener.welcome(self, plain)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    def hand_over(self, tls: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        """Let `protocol` serve the encrypted connection from now on."""
        if self._lost:
            return
        tls.set_protocol(protocol)
        protocol.connection_made(tls)
        if self._early:
            protocol.data_received(bytes(self._early))


class _FailureLog:
    """Logs failed handshakes, a bounded number each second: a scanner must not fill the journal."""

    def __init__(self) -> None:
        self._second = 0
        self._logged = 0
        self._skipped = 0

    def failed(self, peer: object, error: Exception) -> None:
        if isinstance(error, ConnectionError) and not isinstance(error, ssl.SSLError):
            log.debug("%s left during the TLS handshake: %s", _address(peer), error)
            return
        if self._has_room():
            log.warning("TLS handshake with %s failed: %s", _address(peer), _reason(error))

    def _has_room(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            if self._skipped:
                log.warning("%d more failed TLS handshakes", self._skipped)
            self._second, self._logged, self._skipped = second, 0, 0
        self._logged += 1
        self._skipped += self._logged > LOGGED_PER_SECOND
        return self._logged <= LOGGED_PER_SECOND


def _address(peer: object) -> str:
    return f"{peer[0]} port {peer[1]}" if isinstance(peer, tuple) else "an unknown address"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(error) or type(error).__name__
