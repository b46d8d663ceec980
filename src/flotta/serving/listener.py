"""The listener: accepts connections within the caps, and completes their TLS handshakes.

The servers of asyncio and uvloop accept without a limit and drop a failed handshake without logging
it. Here connections are accepted one by one, so that a failure is logged with address and reason,
that a flood costs those that cause it, and that the context can be replaced while the server runs
(removing a CA needs a new context).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine

from flotta.serving.connections import Connections
from flotta.serving.failure_log import CapLog, FailureLog
from flotta.serving.limits import Cap, Deadlines, Limits
from flotta.serving.pending import Pending, PendingHandshakes
from flotta.serving.proxy_protocol import ProxyHeaderError, read_header

BACKLOG = 1024  # connections that the kernel keeps until they are accepted
# Seconds of waiting after a failure to accept; fixed, because clients wait in the backlog.
ACCEPT_RETRY = 0.5
TURN_CHECK = 0.25  # seconds between two looks for a handshake that stalls
CLOSING = 3.0  # seconds in which a client may answer the end of TLS
# Seconds after which the kernel drops a client that takes no data (TCP_USER_TIMEOUT, tcp(7)).
UNACKNOWLEDGED = 150
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
log = logging.getLogger(__name__)

Factory = Callable[[Pending], asyncio.Protocol]


class Listener:
    """Accepts connections and passes each to a protocol made by `factory`."""

    def __init__(
        self,
        factory: Factory,
        connections: Connections,
        caps: CapLog,
        limits: Limits,
        deadlines: Deadlines,
        *,
        proxy_protocol: bool = False,
    ) -> None:
        # May be replaced at any time; used for new connections. None serves without TLS.
        self.context: ssl.SSLContext | None = None
        self._factory = factory
        self._connections = connections
        self._caps = caps
        self._limits = limits
        self._deadlines = deadlines
        self._proxy_protocol = proxy_protocol
        self._pending = PendingHandshakes(limits)
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = FailureLog()

    async def start(self, host: str, port: int) -> int:
        """Listen on every address of a host and return the port (useful for port 0).

        Raises OSError when an address is taken. May be called again for another address.
        """
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, *_, address in dict.fromkeys(found):
            place = (address[0], port, *address[2:])
            opened = socket.create_server(place, family=family, backlog=BACKLOG)
            opened.setblocking(False)
            _, port, *_ = opened.getsockname()  # two values for IPv4, four for IPv6
            self._sockets.append(opened)
            self._run(self._accept(opened))
        return port

    async def stop_accepting(self) -> None:
        """Close the listening sockets and give up pending handshakes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for opened in self._sockets:
            opened.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, (host, port, *_) = await loop.sock_accept(listening)
            except OSError as error:  # no file descriptors are left, or the client has gone
                await self._pause(error)
                continue
            new = Pending(connection, host, port, has_header=not self._proxy_protocol)
            try:
                if await self._make_room(new):
                    self._admit(new)
            except asyncio.CancelledError:
                new.close()
                raise

    async def _pause(self, error: OSError) -> None:
        """Wait for a descriptor; a flood may leave none to our own files and connections."""
        if error.errno not in EXHAUSTED:
            log.debug("A client has gone before it was accepted: %s", error)
            return
        self._caps.report(
            "descriptors",
            f"Accepting a connection failed: {error.strerror}; raise LimitNOFILE of the service "
            "(docs: control-plane.md#connections)",
        )
        self._drop(self._pending.find_stalled())
        await asyncio.sleep(ACCEPT_RETRY)

    async def _make_room(self, new: Pending) -> bool:
        """Let others give way; tell whether the newcomer may stay. It may have to wait."""
        if len(self._connections) + len(self._pending) >= self._limits.total:
            return self._make_room_in_all(new)
        while self._pending.is_full:
            stalled = self._pending.find_stalled()
            if stalled is None:
                await asyncio.sleep(TURN_CHECK)
                continue
            self._shed(stalled, "handshakes", f"more than {self._limits.handshakes} are pending")
        return True

    def _make_room_in_all(self, new: Pending) -> bool:
        stalled = self._pending.find_stalled()
        idle = self._connections.find_dispensable()
        if stalled is not None:
            self._drop(stalled)
        elif idle is not None:
            self._connections.shed(idle)
        else:
            new.close()
        self._caps.report(
            "total",
            f"There are {self._limits.total} connections: {stalled or 'one'} was closed for "
            f"{new}, or is refused (docs: control-plane.md#connections)",
        )
        return stalled is not None or idle is not None

    def _admit(self, new: Pending) -> None:
        new.has_spoken = new.look_for_data()
        self._pending.add(new)
        new.task = self._run(self._serve(new))
        new.task.add_done_callback(lambda _: self._end(new))
        above = self._pending.find_above_share(new)
        if above is not None:
            self._shed(above, "address", f"{new.host} has more than its share of them")

    def _shed(self, pending: Pending, cap: Cap, why: str) -> None:
        self._drop(pending)
        self._caps.report(
            cap,
            f"The pending handshake with {pending} was dropped: {why} "
            "(docs: control-plane.md#connections)",
        )

    def _drop(self, pending: Pending | None) -> None:
        if pending is not None:
            self._pending.discard(pending)
            pending.close()

    def _end(self, pending: Pending) -> None:
        """Forget a handshake that has ended, and close what the event loop did not take over."""
        self._pending.discard(pending)
        if not pending.is_handed_over:
            pending.connection.close()

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, new: Pending) -> None:
        try:
            async with asyncio.timeout(self._deadlines.handshake):
                async with asyncio.timeout(self._deadlines.hello):
                    await self._wait_for_hello(new)
                await self._shake_hands(new)
        except TimeoutError:
            silent = not new.has_spoken
            self._failures.log_failure(
                str(new), TimeoutError("it sent nothing" if silent else "it took too long")
            )
        except (OSError, ProxyHeaderError) as error:  # ssl.SSLError is an OSError
            self._failures.log_failure(str(new), error)

    async def _wait_for_hello(self, new: Pending) -> None:
        new.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        new.connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED * 1000
        )
        if self._proxy_protocol:
            source = await read_header(new.connection, lambda: _wait_readable(new.connection))
            if source is not None:
                self._pending.rename(new, *source)
            new.has_header = True
        await _wait_readable(new.connection)
        if not new.connection.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError("it sent nothing")
        self._pending.note_speaking(new)

    async def _shake_hands(self, new: Pending) -> None:
        new.is_handed_over = True
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self._factory(new),
            new.connection,
            ssl=self.context,
            ssl_handshake_timeout=self._deadlines.handshake if self.context else None,
            ssl_shutdown_timeout=CLOSING if self.context else None,
        )


async def _wait_readable(connection: socket.socket) -> None:
    """Wait until a socket has data or has ended, without reading."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        pass
    else:
        return
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(connection)


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
