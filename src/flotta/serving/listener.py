"""The listener: accepts connections within the caps, and completes their TLS handshakes.

The servers of asyncio and uvloop accept without a limit and drop a failed handshake without logging
it. Here a failure is logged with address and reason, a flood costs those that cause it, and the
context can be replaced while the server runs (removing a CA needs a new context).

A connection that has sent nothing costs a descriptor and a callback: no task, no timer, no TLS
object. So a flood of them takes little of the time in which others are served.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable

from flotta.serving.connections import Connections
from flotta.serving.failure_log import CapLog, FailureLog
from flotta.serving.limits import Cap, Deadlines, Limits
from flotta.serving.pending import Pending, PendingHandshakes
from flotta.serving.proxy_protocol import ProxyHeaderError, read_header
from flotta.serving.readability import wait_readable
from flotta.serving.unfinished import UnfinishedHandshakes

BACKLOG = 4096  # connections that the kernel keeps until they are accepted
BATCH = 64  # connections that are accepted before others are served
# Seconds of waiting after a failure to accept; fixed, because clients wait in the backlog.
ACCEPT_RETRY = 0.5
TURN_CHECK = 0.25  # seconds between two looks for a handshake that stalls
CLOSING = 3.0  # seconds in which a client may answer the end of TLS
# Seconds after which the kernel drops a client that takes no data (TCP_USER_TIMEOUT, tcp(7)).
UNACKNOWLEDGED = 150
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
MORE = "(docs: control-plane.md#connections)"
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
        self._unfinished = UnfinishedHandshakes()
        self._waiting: list[Pending] = []  # accepted, but without room yet
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._retrying: asyncio.TimerHandle | None = None
        self._failures = FailureLog()

    async def start(self, host: str, port: int) -> int:
        """Listen on every address of a host and return the port (useful for port 0).

        Raises OSError when an address is taken. May be called again for another address.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, *_, address in dict.fromkeys(found):
            place = (address[0], port, *address[2:])
            opened = socket.create_server(place, family=family, backlog=BACKLOG)
            opened.setblocking(False)
            _, port, *_ = opened.getsockname()  # two values for IPv4, four for IPv6
            self._sockets.append(opened)
            loop.add_reader(opened, self._accept, opened)
        return port

    async def stop_accepting(self) -> None:
        """Close the listening sockets and give up pending handshakes."""
        for timer in (self._sweeping, self._retrying):
            if timer is not None:
                timer.cancel()
        self._stop_reading()
        for opened in self._sockets:
            opened.close()
        self._sockets.clear()
        for pending in (*self._waiting, *self._pending):
            self._drop(pending)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                connection, (host, port, *_) = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no file descriptors are left, or the client has gone
                self._note_failure(error)
                return
            connection.setblocking(False)
            new = Pending(connection, host, port, has_header=not self._proxy_protocol)
            if self._refuses(new):
                connection.close()
            elif not self._take_in(new) and not self._let_wait(new):
                return

    def _refuses(self, new: Pending) -> bool:
        """Tell whether the address of a newcomer wastes handshakes while they are scarce."""
        refused = (
            self._pending.is_half_full
            and new.has_header  # else the address is that of the balancer
            and self._unfinished.are_too_many(new.host)
        )
        if refused:
            text = f"{new} was refused: its address begins handshakes and does not finish them"
            self._caps.report("address", f"{text} {MORE}")
        return refused

    def _let_wait(self, new: Pending) -> bool:
        """Let a newcomer wait; tell whether others are accepted meanwhile.

        They are if its address has more than its share: those of others need not wait for it.
        """
        self._waiting.append(new)
        if self._pending.exceeds_share(new):
            if len(self._waiting) > min(BACKLOG, self._limits.total // 4):
                oldest = self._waiting.pop(0)
                self._shed(oldest, "address", f"{oldest.host} has more than its share of them")
            if self._retrying is None:  # else a flood would put it off again and again
                self._resume_later(TURN_CHECK)
            return True
        self._pause(TURN_CHECK)
        return False

    def _take_in(self, new: Pending) -> bool:
        """Let others give way to a newcomer and begin with it; tell False if it has to wait."""
        held = len(self._connections) + len(self._pending) + len(self._waiting)
        if held >= self._limits.total:
            self._make_room_in_all(new)
            return True
        while self._pending.is_full:
            stalled = self._pending.find_stalled(new)
            if stalled is None:
                return False
            self._shed(stalled, "handshakes", f"more than {self._limits.handshakes} are pending")
        self._begin(new)
        return True

    def _make_room_in_all(self, new: Pending) -> None:
        stalled = self._pending.find_stalled()
        idle = self._connections.find_dispensable()
        if stalled is not None:
            self._drop(stalled)
        elif idle is not None:
            self._connections.shed(idle)
        if stalled is not None or idle is not None:
            self._begin(new)
        else:
            new.connection.close()
        self._caps.report(
            "total",
            f"There are {self._limits.total} connections: {stalled or 'one'} was closed for "
            f"{new}, or is refused {MORE}",
        )

    def _begin(self, new: Pending) -> None:
        new.has_spoken = new.look_for_data()
        new.established = self._note_established
        self._pending.add(new)
        if new.has_spoken:
            self._serve(new)
            return
        asyncio.get_running_loop().add_reader(new.connection, self._note_data, new)
        self._sweep_later()
        above = self._pending.find_above_share(new)
        if above is not None:
            self._shed(above, "address", f"{new.host} has more than its share of them")

    def _note_established(self, new: Pending) -> None:
        new.is_established = True
        self._pending.discard(new)

    def _note_data(self, new: Pending) -> None:
        """Continue with a connection that has sent something, or has ended."""
        asyncio.get_running_loop().remove_reader(new.connection)
        if new.has_header:
            self._pending.note_speaking(new)
        self._serve(new)

    def _serve(self, new: Pending) -> None:
        new.task = asyncio.get_running_loop().create_task(self._shake_hands(new))
        self._tasks.add(new.task)
        new.task.add_done_callback(lambda _: self._end(new))

    async def _shake_hands(self, new: Pending) -> None:
        try:
            async with asyncio.timeout(self._deadlines.handshake):
                await self._read_balancer_header(new)
                await self._connect(new)
        except TimeoutError:
            self._failures.log_failure(str(new), TimeoutError("it took too long"))
        except (OSError, ProxyHeaderError) as error:  # ssl.SSLError is an OSError
            self._failures.log_failure(str(new), error)

    async def _read_balancer_header(self, new: Pending) -> None:
        if new.has_header:
            return
        source = await read_header(new.connection, lambda: wait_readable(new.connection))
        if source is not None:
            self._pending.rename(new, *source)
        new.has_header = True
        if source is not None and self._refuses(new):
            raise ConnectionRefusedError("its address wastes handshakes")
        await wait_readable(new.connection)
        self._pending.note_speaking(new)

    async def _connect(self, new: Pending) -> None:
        if not new.look_for_data():
            raise ConnectionResetError("it sent nothing")
        new.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        new.connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED * 1000
        )
        new.is_handed_over = True
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self._factory(new),
            new.connection,
            ssl=self.context,
            ssl_handshake_timeout=self._deadlines.handshake if self.context else None,
            ssl_shutdown_timeout=CLOSING if self.context else None,
        )

    def _end(self, pending: Pending) -> None:
        """Forget a handshake that has ended, and close what the event loop did not take over."""
        if pending.task is not None:
            self._tasks.discard(pending.task)
        self._pending.discard(pending)
        if not pending.is_handed_over:
            pending.connection.close()
        elif not pending.is_established and not pending.gave_way:
            self._unfinished.note(pending.host)
        if self._waiting:
            self._resume()

    def _shed(self, pending: Pending, cap: Cap, why: str) -> None:
        self._drop(pending)
        self._caps.report(cap, f"The pending handshake with {pending} was dropped: {why} {MORE}")

    def _drop(self, pending: Pending) -> None:
        self._pending.discard(pending)
        if pending.task is not None:
            pending.gave_way = not pending.has_stalled()
            pending.task.cancel()
            return
        asyncio.get_running_loop().remove_reader(pending.connection)
        pending.connection.close()

    def _sweep_later(self) -> None:
        oldest = self._pending.oldest_silent
        if oldest is not None and self._sweeping is None:
            seconds = max(0.0, self._deadlines.hello - oldest.age)
            self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        """Close the connections that have sent nothing in time."""
        self._sweeping = None
        while (oldest := self._pending.oldest_silent) and oldest.age >= self._deadlines.hello:
            if oldest.task is None and oldest.has_data():
                # The machine stood still: what it sent in time was not looked at yet.
                oldest.since = time.monotonic()
                self._note_data(oldest)
                continue
            self._failures.log_failure(str(oldest), TimeoutError("it sent nothing"))
            self._drop(oldest)
        self._sweep_later()

    def _note_failure(self, error: OSError) -> None:
        """Wait for a descriptor; a flood may leave none to our own files and connections."""
        if error.errno not in EXHAUSTED:
            log.debug("A client has gone before it was accepted: %s", error)
            return
        self._caps.report(
            "descriptors",
            f"Accepting a connection failed: {error.strerror}; raise LimitNOFILE of the service "
            f"{MORE}",
        )
        stalled = self._pending.find_stalled()
        if stalled is not None:
            self._drop(stalled)
        self._pause(ACCEPT_RETRY)

    def _pause(self, seconds: float) -> None:
        """Accept nothing for a while; clients wait in the backlog."""
        self._stop_reading()
        self._resume_later(seconds)

    def _resume_later(self, seconds: float) -> None:
        if self._retrying is not None:
            self._retrying.cancel()
        self._retrying = asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        """Take in those that wait, then accept again."""
        self._retrying = None
        while self._waiting:
            if not self._take_in(self._waiting[0]):
                if not self._pending.exceeds_share(self._waiting[0]):
                    self._pause(TURN_CHECK)
                    return
                self._resume_later(TURN_CHECK)
                break
            self._waiting.pop(0)
        loop = asyncio.get_running_loop()
        for opened in self._sockets:
            loop.add_reader(opened, self._accept, opened)

    def _stop_reading(self) -> None:
        for opened in self._sockets:
            asyncio.get_running_loop().remove_reader(opened)
