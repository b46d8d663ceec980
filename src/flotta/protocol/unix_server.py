"""A gRPC server on a unix socket for processes of trusted users only (SO_PEERCRED, unix(7)).

Described in docs/reference/wire-protocol.md#sockets.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol, cast

import grpclib.server
from grpclib.const import Handler
from grpclib.protocol import H2Protocol

log = logging.getLogger(__name__)

CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Service(Protocol):
    """A service as generated from a .proto file."""

    def __mapping__(self) -> Mapping[str, Handler]:
        """Return the handlers by the path of their methods."""


def bind(address: str, group: str | None = None) -> socket.socket:
    """Return a bound, not yet listening socket at a path or, with a leading NUL, an abstract name.

    A path gets mode 0660 and the group, if that exists and this process may set it. A socket that
    an earlier process left behind is replaced.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if address.startswith("\0"):
        sock.bind(address)
        return sock
    path = Path(address)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    mask = os.umask(0o117)
    try:
        sock.bind(address)
    finally:
        os.umask(mask)
    if group is not None:
        _give_to_group(path, group)
    return sock


def _give_to_group(path: Path, group: str) -> None:
    try:
        shutil.chown(path, group=group)
    except (LookupError, PermissionError) as error:
        log.info("%s keeps the group of this process: %s", path, error)


def peer_user(sock: socket.socket) -> int:
    """Return the user id of the process that connected."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, user, _ = CREDENTIALS.unpack(data)
    return int(user)


class GuardedServer(grpclib.server.Server):
    """A gRPC server that closes connections of processes whose user it does not trust."""

    def __init__(self, services: Collection[Service], users: Collection[int]) -> None:
        super().__init__(services)
        self._users = frozenset(users)

    async def listen(self, address: str, group: str | None = None) -> None:
        """Accept connections at an address (see `bind`) until closed."""
        await self.start(sock=bind(address, group))

    def _protocol_factory(self) -> H2Protocol:
        # grpclib has no hook between accept and HTTP/2, so its factory is the place for a check.
        return cast("H2Protocol", _Guard(self))

    def admit(self, transport: asyncio.BaseTransport) -> H2Protocol | None:
        """Return the protocol for a new connection, or None when its user is not trusted."""
        user = peer_user(transport.get_extra_info("socket"))
        if user not in self._users:
            log.warning("Refused a local connection of user id %d", user)
            return None
        return super()._protocol_factory()


class _Guard(asyncio.Protocol):
    def __init__(self, server: GuardedServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._server.admit(transport)
        if protocol is None:
            cast("asyncio.Transport", transport).abort()
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
