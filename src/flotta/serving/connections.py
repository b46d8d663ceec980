"""The established connections: how many each owner has, and which gives way to a new one.

Connections of an owner beyond its cap cost only this owner: its connection that has been idle
longest is closed, else the one whose request has lasted longest. So the newest connection of a
client that lost its network is served, although the server still counts the dead ones.
"""

from __future__ import annotations

from typing import Protocol

from flotta.serving.failure_log import CapLog
from flotta.serving.limits import Owner


class Connection(Protocol):
    """What can give way."""

    owner: Owner

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

    def __init__(self, log: CapLog) -> None:
        self._log = log
        self._shares: dict[str, _Share] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, connection: Connection) -> None:
        """Note a new connection, which is idle; close another of its owner beyond the cap."""
        owner = connection.owner
        share = self._shares.setdefault(owner.key, _Share())
        oldest = share.oldest()
        if len(share) >= owner.most and oldest is not None:
            self.shed(oldest)
            self._log.report(
                owner.cap,
                f"{owner.name} has more than {owner.most} connections: the oldest is closed "
                "(docs: control-plane.md#connections)",
            )
        share.idle[connection] = None
        self._shares[owner.key] = share
        self._length += 1

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
        if not share:
            del self._shares[key]

    def shed(self, connection: Connection) -> None:
        """Close a connection; it counts no longer, although its end takes a moment."""
        self.discard(connection)
        connection.abort()

    def oldest_idle(self, key: str) -> Connection | None:
        """Return the connection of an owner that has been idle longest."""
        share = self._shares.get(key)
        return next(iter(share.idle), None) if share else None
