"""The established connections: how many each owner has, and which gives way to a new one.

Connections of an owner beyond its cap cost only this owner: its connection that has been idle
longest is closed, else the one whose request has lasted longest. So the newest connection of a
client that lost its network is served, although the server still counts the dead ones.

When all connections together reach their limit, an idle one without a certificate gives way to a
newcomer, else an idle one of the owner that has most, if that is more than FAIR.
"""

from __future__ import annotations

from typing import Protocol

from flotta.serving.failure_log import CapLog
from flotta.serving.limits import ANONYMOUS, Owner

FAIR = 4  # connections of one owner that no newcomer displaces
SHARE = 4  # one owner has at most this part of all connections: a quarter


class Connection(Protocol):
    """What can give way."""

    owner: Owner
    certificate: bytes | None  # DER, of the client

    def abort(self) -> None:
        """Close the connection at once, without waiting for the client."""


class _Share:
    """The connections of one owner, each in the order in which it became idle or busy."""

    def __init__(self) -> None:
        self.idle: dict[Connection, None] = {}
        self.busy: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self.idle) + len(self.busy)

    def oldest(self) -> Connection | None:
        return next(iter(self.idle), None) or next(iter(self.busy), None)


class Connections:
    """All established connections of a server."""

    def __init__(self, total: int, log: CapLog) -> None:
        self._most = max(1, total // SHARE)
        self._log = log
        self._shares: dict[str, _Share] = {}
        self._above_fair: dict[str, _Share] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, connection: Connection) -> None:
        """Note a new connection, which is idle; close another of its owner beyond the cap."""
        owner = connection.owner
        share = self._shares.setdefault(owner.key, _Share())
        most = min(owner.most, self._most)
        oldest = share.oldest()
        if len(share) >= most and oldest is not None:
            self.shed(oldest)
            self._log.report(
                owner.cap,
                f"{owner.name} has more than {most} connections: the oldest is closed "
                "(docs: control-plane.md#connections)",
            )
        share.idle[connection] = None
        self._shares[owner.key] = share
        self._length += 1
        if len(share) > FAIR:
            self._above_fair[owner.key] = share

    def note_busy(self, connection: Connection) -> None:
        """Note that a request of the connection has begun."""
        share = self._shares.get(connection.owner.key)
        if share is not None and share.idle.pop(connection, connection) is None:
            share.busy[connection] = None

    def note_idle(self, connection: Connection) -> None:
        """Note that the connection waits for a request."""
        share = self._shares.get(connection.owner.key)
        if share is not None and share.busy.pop(connection, connection) is None:
            share.idle[connection] = None

    def discard(self, connection: Connection) -> None:
        """Forget a connection that is closed; one that is not there is none."""
        key = connection.owner.key
        share = self._shares.get(key)
        if share is None:
            return
        found = share.idle.pop(connection, connection), share.busy.pop(connection, connection)
        self._length -= None in found
        if len(share) <= FAIR:
            self._above_fair.pop(key, None)
        if not share:
            del self._shares[key]

    def shed(self, connection: Connection) -> None:
        """Close a connection; it counts no longer, although its end takes a moment."""
        self.discard(connection)
        connection.abort()

    def close_idle(self, prefix: str) -> None:
        """Close the idle connections of all owners whose key begins so."""
        owners = [share for key, share in self._shares.items() if key.startswith(prefix)]
        for connection in [idle for share in owners for idle in share.idle]:
            self.shed(connection)

    def all(self) -> list[Connection]:
        """Return all connections as of now."""
        shares = self._shares.values()
        return [connection for share in shares for connection in (*share.idle, *share.busy)]

    def find_dispensable(self) -> Connection | None:
        """Return the connection that gives way to a newcomer when there are too many in all."""
        anonymous = self._shares.get(ANONYMOUS)
        if anonymous is not None and anonymous.idle:
            return next(iter(anonymous.idle))
        greediest = max(self._above_fair.values(), key=len, default=None)
        return next(iter(greediest.idle), None) if greediest else None
