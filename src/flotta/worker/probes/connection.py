"""A connection to a server in a pod: bounded in what it keeps, with causes that do not change.

Names are resolved in threads of its own: a name server that does not answer must not take the
threads that the rest of the worker writes files with.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from flotta.worker.probes.probe import ProbeFailed, ProbeImpossible

CHUNK = 16 * 1024  # bytes read at once
MAX_RECEIVED = 64 * 1024  # bytes of a response; what counts is at its beginning
# What the worker or the device has used up: the container may be in the best of health.
USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
RESOLVERS = ThreadPoolExecutor(2, "probe-resolver")


@dataclass
class Connection:
    """A stream to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: int = 0

    async def read(self) -> bytes:
        """Return what arrives next, nothing at the end; raises ProbeFailed for too much."""
        data = await self.reader.read(CHUNK)
        self.received += len(data)
        if self.received > MAX_RECEIVED:
            raise ProbeFailed(f"the response is longer than {MAX_RECEIVED // 1024} KiB")
        return data

    async def send(self, data: bytes) -> None:
        """Send all of the data."""
        self.writer.write(data)
        await self.writer.drain()


@contextlib.asynccontextmanager
async def connect(
    host: str, port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[Connection]:
    """Open a connection and drop it at the end.

    Raises ProbeFailed for what the network says, and ProbeImpossible for what this device cannot.
    """
    try:
        connection = await _open(host, port, context)
        try:
            yield connection
        finally:
            # Not closed politely: a server that does not read would be waited for.
            connection.writer.transport.abort()
    except OSError as error:
        if error.errno in USED_UP and not isinstance(error, ssl.SSLError | socket.gaierror):
            raise ProbeImpossible(os.strerror(error.errno).lower()) from error
        raise ProbeFailed(_describe(error, host, tls=context is not None)) from error


async def _open(host: str, port: int, context: ssl.SSLContext | None) -> Connection:
    try:
        address = await _resolve(host)
        reader, writer = await asyncio.open_connection(
            address, port, limit=CHUNK, ssl=context, server_hostname=host if context else None
        )
    except ValueError as error:  # of a name that cannot be that of a host
        raise ProbeFailed(f"the host {host!r} has no address") from error
    return Connection(reader, writer)


async def _resolve(host: str) -> str:
    """Return the address of a host; an address needs no thread."""
    with contextlib.suppress(OSError):
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        return host
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(RESOLVERS, socket.getaddrinfo, host, None)
    return str(found[0][4][0])


def _describe(error: OSError, host: str, *, tls: bool) -> str:
    """Return the cause without addresses and numbers, which differ each time."""
    if isinstance(error, socket.gaierror):
        return f"the host {host!r} has no address"
    if error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    return "the TLS handshake failed" if tls else "the connection failed"
