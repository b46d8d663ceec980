"""HTTP/1.1 to the Edge API byte by byte, for requests that no client library sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from edge_site import BASE, Device

PATIENCE = 60.0  # seconds; the machine may stand still for a while


@dataclass
class RawResponse:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return str(self.json()["reason"])


class RawConnection:
    """One TLS connection of a device."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def response(self) -> RawResponse:
        """Return the next response; one without a length has no body."""
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return RawResponse(int(first.split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Wait until the server closes the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    @property
    def is_ending(self) -> bool:
        """Whether what is sent from now on is thrown away here."""
        return self._writer.is_closing()

    def abort(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def raw_connection(device: Device) -> AsyncIterator[RawConnection]:
    """Connect with the certificate of a device."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", device.port, ssl=device.tls_context()
    )
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


def request_head(method: str, path: str, *headers: str) -> bytes:
    """Return the head of a request below the base path."""
    lines = (f"{method} {BASE}{path} HTTP/1.1", "Host: localhost", *headers, "", "")
    return "\r\n".join(lines).encode()
