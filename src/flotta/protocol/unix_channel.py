"""A gRPC channel to a unix socket that only calls a process of one user (SO_PEERCRED, unix(7)).

Described in docs/reference/wire-protocol.md#sockets.
"""

from __future__ import annotations

import asyncio

from grpclib.client import Channel
from grpclib.protocol import H2Protocol

from flotta.protocol.unix_server import peer_user


class UserChannel(Channel):
    """Calls a process of this user; any other one gets no call, and the caller a PermissionError.

    Each connection is checked: whoever listens at an address may change between two.
    """

    def __init__(self, address: str, user: int) -> None:
        super().__init__(path=address)
        self._address = address
        self._user = user

    async def _create_connection(self) -> H2Protocol:
        # grpclib has no hook between connect and HTTP/2, so this is the place for a check.
        transport, protocol = await asyncio.get_running_loop().create_unix_connection(
            self._protocol_factory, self._address
        )
        user = peer_user(transport.get_extra_info("socket"))
        if user != self._user:
            transport.abort()
            raise PermissionError(f"user id {user} listens now, and not {self._user}")
        return protocol
