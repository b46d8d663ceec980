"""The header of the PROXY protocol, by which a balancer passes on the address of a client.

Versions 1 and 2 of https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt: a receiver that
expects the header must not serve a connection without it. The header is read without a byte of what
follows it.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2
LONGEST_LINE = 107  # bytes of a header of version 1, with its CRLF
LONGEST_REST = 2048  # bytes behind the fixed part of version 2; a header fits into one packet
PROXY = 0x21  # version 2, command PROXY
LOCAL = (
    0x20  # version 2, command LOCAL: a connection of the balancer's own, as for its health check
)
ADDRESSES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}  # TCP over IPv4, IPv6


class ProxyHeaderError(ValueError):
    """The connection does not begin with a header of the PROXY protocol."""


class Source(NamedTuple):
    """The address of the client."""

    host: str
    port: int


async def read_header(
    connection: socket.socket, wait_readable: Callable[[], Awaitable[None]]
) -> Source | None:
    """Read the header of a connection that has sent something; None keeps the peer's address.

    `wait_readable` returns when the socket can be read. Raises ProxyHeaderError for anything but a
    header, and what `wait_readable` raises.
    """
    read = _Reader(connection, wait_readable)
    begin = await read.exactly(len(SIGNATURE))
    if begin == SIGNATURE:
        return await _read_binary(read)
    if begin.startswith(b"PROXY "):
        return _parse_line(begin + await read.until_newline(LONGEST_LINE - len(begin)))
    raise ProxyHeaderError("the header of the PROXY protocol is missing")


class _Reader:
    """Reads no byte more than it was asked for: the rest belongs to TLS."""

    def __init__(
        self, connection: socket.socket, wait_readable: Callable[[], Awaitable[None]]
    ) -> None:
        self._connection = connection
        self._wait_readable = wait_readable

    async def exactly(self, count: int) -> bytes:
        read = bytearray()
        while len(read) < count:
            read += await self._receive(count - len(read))
        return bytes(read)

    async def until_newline(self, most: int) -> bytes:
        read = bytearray()
        while not read.endswith(b"\n"):
            if len(read) >= most:
                raise ProxyHeaderError("the line of the PROXY protocol does not end")
            await self._wait_readable()
            seen = self._connection.recv(most - len(read), socket.MSG_PEEK)
            read += await self._receive((seen.find(b"\n") + 1) or max(1, len(seen)))
        return bytes(read)

    async def _receive(self, count: int) -> bytes:
        await self._wait_readable()
        received = self._connection.recv(count)
        if not received:
            raise ProxyHeaderError("the connection ended within the header of the PROXY protocol")
        return received


async def _read_binary(read: _Reader) -> Source | None:
    command, family, length = struct.unpack("!BBH", await read.exactly(4))
    if command not in (PROXY, LOCAL) or length > LONGEST_REST:
        raise ProxyHeaderError("the header of the PROXY protocol is not of version 2")
    rest = await read.exactly(length)
    if command == LOCAL or family not in ADDRESSES:
        return None
    kind, size = ADDRESSES[family]
    if length < 2 * size + 4:
        raise ProxyHeaderError("the header of the PROXY protocol is too short")
    (port,) = struct.unpack_from("!H", rest, 2 * size)
    return Source(socket.inet_ntop(kind, rest[:size]), port)


def _parse_line(line: bytes) -> Source | None:
    words = line.decode("ascii", errors="replace").removesuffix("\r\n").split(" ")
    if not line.endswith(b"\r\n") or len(words) < 2:
        raise ProxyHeaderError("the line of the PROXY protocol cannot be read")
    if words[1] == "UNKNOWN":
        return None
    try:
        _, family, source, _, port, _ = words
        address = ipaddress.ip_address(source)
        if family != f"TCP{address.version}" or not port.isdecimal() or int(port) > 65535:
            raise ValueError(line)
    except ValueError as error:
        raise ProxyHeaderError("the line of the PROXY protocol cannot be read") from error
    return Source(str(address), int(port))
