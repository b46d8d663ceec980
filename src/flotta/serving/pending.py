"""Connections whose handshake is pending, and which of them gives way to a new one.

1. At the limit, the oldest that has sent nothing gives way, once it has had SPARED seconds: the
   round trip of a slow link.
2. When all of those are younger, the address that has most of them loses its oldest. It keeps its
   only one.
3. Without such a connection, the address with more than its fair share of those that have begun
   their handshake loses its oldest to a newcomer of another address.
4. Without that, the oldest that has not finished within STALLED seconds gives way, else the oldest
   that has sent less than a whole ClientHello within UNANSWERED seconds.
5. Without that, the newcomer waits for its turn: handshakes that make progress end soon, and
   breaking them off would cost the clients and us the same work again.
6. From half of the limit on, an address with more than its fair share of those that have sent
   nothing loses its oldest, once it has had SPARED seconds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flotta.serving.limits import Limits

SPARED = 1.0  # seconds
STALLED = 3.0  # seconds
UNANSWERED = 1.0  # seconds
SENT = slice(156, 160)  # bytes of tcpi_data_segs_out in the tcp_info of Linux (linux/tcp.h)


@dataclass(eq=False)
class Pending:
    """An accepted connection before the end of its handshake."""

    connection: socket.socket
    host: str
    port: int
    task: asyncio.Task[None] | None = None
    has_header: bool = True  # what it sends next is its handshake, not the header of a balancer
    has_spoken: bool = False  # has sent the first byte of its handshake
    is_handed_over: bool = False  # the event loop owns the socket
    is_established: bool = False  # its handshake is complete
    gave_way: bool = False  # to another, without being at fault
    # Called with this when its handshake is complete, before the connection counts as one.
    established: Callable[[Pending], None] = lambda _: None
    since: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since it was accepted."""
        return time.monotonic() - self.since

    def look_for_data(self) -> bool:
        """Tell whether the first byte of the handshake has come; what has ended has not."""
        return self.has_header and self.has_data()

    def has_data(self) -> bool:
        """Tell whether something can be read."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        except OSError:  # nothing yet, or the connection broke
            return False

    def is_answered(self) -> bool:
        """Tell whether the client got an answer, or we have still to read what it sent.

        Otherwise it sent less than a whole ClientHello, which is answered as soon as it is read.
        """
        try:
            told = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SENT.stop)
        except OSError:  # it is closed
            return True
        return int.from_bytes(told[SENT], sys.byteorder) > 0 or self.has_data()

    def has_stalled(self) -> bool:
        """Tell whether it had time enough, so that it is at fault."""
        return self.age > STALLED or (self.age > UNANSWERED and not self.is_answered())

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


class PendingHandshakes:
    """The pending connections, in the order in which they were accepted."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Dictionaries keep the order; an address that has none is absent.
        self._silent: dict[Pending, None] = {}
        self._by_address: dict[str, dict[Pending, None]] = {}
        self._speaking: dict[Pending, None] = {}
        self._speaking_by_address: dict[str, dict[Pending, None]] = {}
        self._unanswered: dict[Pending, None] = {}  # of those that speak; may have been answered

    def __len__(self) -> int:
        return len(self._silent) + len(self._speaking)

    def __iter__(self) -> Iterator[Pending]:
        return iter((*self._silent, *self._speaking))

    @property
    def oldest_silent(self) -> Pending | None:
        """The connection that has sent nothing for the longest time."""
        return next(iter(self._silent), None)

    @property
    def is_half_full(self) -> bool:
        """Whether more than half of the limit is used, so that addresses matter."""
        return self._limits.by_address and len(self) > self._limits.handshakes // 2

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return len(self) >= self._limits.handshakes

    def add(self, new: Pending) -> None:
        """Note a connection."""
        if new.has_spoken:
            self._add_speaking(new)
            return
        self._silent[new] = None
        self._by_address.setdefault(self._address(new), {})[new] = None

    def note_speaking(self, pending: Pending) -> None:
        """Note that a connection has sent the first byte of its handshake."""
        pending.has_spoken = True
        if pending in self._silent:
            self._forget_silent(pending)
            self._add_speaking(pending)

    def rename(self, pending: Pending, host: str, port: int) -> None:
        """Note the address of the client that a balancer passed on (PROXY protocol)."""
        is_noted = pending in self._silent
        self._forget_address(pending)
        pending.host, pending.port = host, port
        if is_noted:
            self._by_address.setdefault(self._address(pending), {})[pending] = None

    def discard(self, pending: Pending) -> None:
        """Forget a connection whose handshake has ended, if it is known."""
        if pending in self._speaking:
            del self._speaking[pending]
            self._unanswered.pop(pending, None)
            _remove(self._speaking_by_address, self._address(pending), pending)
        if pending in self._silent:
            self._forget_silent(pending)

    def find_stalled(self, new: Pending | None = None) -> Pending | None:
        """Return the connection that gives way to a newcomer; None means that it has to wait."""
        oldest = self._first_silent(self._silent)
        if oldest is not None and oldest.age <= SPARED:
            fullest = max(self._by_address.values(), key=len, default={})
            oldest = self._first_silent(fullest) if len(fullest) > 1 else None
        if oldest is not None:
            return oldest
        greedy = self._greediest_speaker()
        if greedy is not None and new is not None and self._address(new) != greedy:
            return next(iter(self._speaking_by_address[greedy]))
        slowest = next(iter(self._speaking), None)
        if slowest is not None and slowest.age > STALLED:
            return slowest
        return self._first_unanswered()

    def find_above_share(self, new: Pending) -> Pending | None:
        """Return the connection of the same address that gives way, None within its fair share."""
        limit = self._limits.handshakes
        silent = self._by_address.get(self._address(new), {})
        addresses = len(self._by_address) + 1  # at least one other may come
        if not self.is_half_full:
            return None
        oldest = self._first_silent(silent) if len(silent) > limit // addresses else None
        return oldest if oldest is not None and oldest.age > SPARED else None

    def exceeds_share(self, new: Pending) -> bool:
        """Tell whether the address of a newcomer has begun more handshakes than its fair share."""
        return self._address(new) == self._greediest_speaker()

    def _greediest_speaker(self) -> str | None:
        by_address = self._speaking_by_address
        share = self._limits.handshakes // (len(by_address) + 1)  # at least one other may come
        most = max(by_address, key=lambda address: len(by_address[address]), default=None)
        if most is None or not self._limits.by_address or len(by_address[most]) <= share:
            return None
        return most

    def _add_speaking(self, pending: Pending) -> None:
        self._speaking[pending] = self._unanswered[pending] = None
        self._speaking_by_address.setdefault(self._address(pending), {})[pending] = None

    def _first_unanswered(self) -> Pending | None:
        while (first := next(iter(self._unanswered), None)) and first.age > UNANSWERED:
            if not first.is_answered():
                return first
            del self._unanswered[first]
        return None

    def _first_silent(self, silent: dict[Pending, None]) -> Pending | None:
        """Return the first that has really sent nothing: it may have spoken since the last look."""
        while first := next(iter(silent), None):
            if not first.look_for_data():
                return first
            self.note_speaking(first)
        return None

    def _forget_silent(self, pending: Pending) -> None:
        del self._silent[pending]
        self._forget_address(pending)

    def _forget_address(self, pending: Pending) -> None:
        _remove(self._by_address, self._address(pending), pending)

    def _address(self, pending: Pending) -> str:
        return network_of(pending.host) if self._limits.by_address else ""


def _remove(by_address: dict[str, dict[Pending, None]], address: str, pending: Pending) -> None:
    """Remove a connection from those of its address, and the address with its last one."""
    of_address = by_address.get(address, {})
    of_address.pop(pending, None)
    if not of_address:
        by_address.pop(address, None)


def network_of(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address.

    A /64 is the smallest network that one customer gets (RFC 6177).
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
