"""The TLS listener: admits connections whose client certificate was issued by the fleet's CA.

The servers of asyncio and uvloop drop a failed handshake without logging it. Here connections are
accepted one by one, so that a failure is logged with address and reason, and so that the context
can be replaced while the server runs (removing a CA needs a new context).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Coroutine

HANDSHAKE_TIMEOUT = 15.0  # seconds
MAX_HANDSHAKES = 512  # at the same time; further clients wait
LOGGED_PER_SECOND = 20  # failed handshakes
BACKLOG = 1024  # connections that the kernel keeps until they are accepted
# Seconds of waiting after a failure to accept; fixed, because clients wait in the backlog.
ACCEPT_RETRY = 0.1
log = logging.getLogger(__name__)


class Listener:
    """Accepts TLS connections and passes each to a protocol made by `factory`."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext) -> None:
        self.context = context  # may be replaced at any time; used for new connections
        self._factory = factory
        self._socket: socket.socket | None = None
        self._turns = asyncio.Semaphore(MAX_HANDSHAKES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = _FailureLog()

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port (useful for port 0).

        Raises OSError when the address is taken.
        """
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = found[0]
        self._socket = socket.create_server(address, family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._run(self._accept(self._socket))
        _, port, *_ = self._socket.getsockname()  # two values for IPv4, four for IPv6
        return int(port)

    async def stop_accepting(self) -> None:
        """Close the listening socket and give up pending handshakes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._turns.acquire()
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:  # no file descriptors are left, or the client has gone
                self._turns.release()
                log.error("Accepting a connection failed: %s", error)
                await asyncio.sleep(ACCEPT_RETRY)
                continue
            self._run(self._handshake(connection, address))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handshake(self, connection: socket.socket, address: object) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory,
                connection,
                ssl=self.context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self._log.log_failure(address, error)
        finally:
            self._turns.release()


class _FailureLog:
    """Logs failed handshakes, a limited number each second: a scanner must not fill the log."""

    def __init__(self) -> None:
        self._second = 0
        self._logged = 0
        self._skipped = 0

    def log_failure(self, peer: object, error: Exception) -> None:
        if isinstance(error, ConnectionError) and not isinstance(error, ssl.SSLError):
            log.debug(
                "%s closed the connection during the TLS handshake: %s",
                _format_address(peer),
                error,
            )
            return
        if self._has_room():
            log.warning(
                "TLS handshake with %s failed: %s", _format_address(peer), _explain_failure(error)
            )

    def _has_room(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            if self._skipped:
                log.warning("%d more failed TLS handshakes", self._skipped)
            self._second, self._logged, self._skipped = second, 0, 0
        self._logged += 1
        self._skipped += self._logged > LOGGED_PER_SECOND
        return self._logged <= LOGGED_PER_SECOND


def _format_address(peer: object) -> str:
    if not isinstance(peer, tuple):
        return "an unknown address"
    host, port, *_ = peer
    return f"{host} port {port}"


def _explain_failure(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(error) or type(error).__name__
