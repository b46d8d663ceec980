"""gRPC servers on unix sockets that admit only processes of known users (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import struct
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpclib.server
from grpclib.protocol import H2Protocol

if TYPE_CHECKING:
    from grpclib._typing import IServable

log = logging.getLogger(__name__)

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def bind(path: Path, group: str | None = None) -> socket.socket:
    """Return a bound, not yet listening socket at ``path``, mode 0660, owned by ``group`` if given.

    A socket left over by an earlier process is replaced. Nobody can connect before the group is set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)
    try:
        sock.bind(str(path))
    finally:
        os.umask(mask)
    if group is not None:
        shutil.chown(path, group=group)
    return sock


def peer_user(sock: socket.socket) -> int:
    """Return the user id of the process that connected."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


class LocalServer(grpclib.server.Server):
    """A gRPC server that hangs up on processes of users it does not know."""

    def __init__(self, handlers: Collection[IServable], users: Collection[int]) -> None:
        super().__init__(handlers)
        self._users = frozenset(users)

    async def listen(self, path: Path, group: str | None = None) -> None:
        """Accept connections at ``path`` until closed."""
        await self.start(sock=bind(path, group))

    def _protocol_factory(self) -> H2Protocol:
        # grpclib has no hook between accept and HTTP/2, so its factory is the place for a check.
        return cast("H2Protocol", _Door(self))

    def admit(self, transport: asyncio.BaseTransport) -> H2Protocol | None:
        """Return the protocol for a new connection, or None when its user is unknown."""
        user = peer_user(transport.get_extra_info("socket"))
        if user not in self._users:
            log.warning("Refused a local connection of user id %d", user)
            return None
        return super()._protocol_factory()


class _Door(asyncio.Protocol):
    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._server.admit(transport)
        if protocol is None:
            cast("asyncio.Transport", transport).abort()
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
