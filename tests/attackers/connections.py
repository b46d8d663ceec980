"""Connections of an attacker: held open without a word, or asked as fast as they answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

AT_ONCE = 50  # connections that one attack opens at the same time
AGAIN = 0.05  # seconds until a connection that was closed or refused is opened again
PATIENCE = 30.0  # seconds
ERRORS = (OSError, EOFError, TimeoutError, ssl.SSLError)


@dataclass(frozen=True)
class Door:
    """Where an attacker connects, and as whom."""

    port: int
    source: str
    context: ssl.SSLContext | None = None


@dataclass
class Tally:
    """What an attack has done so far."""

    counts: Counter[str] = field(default_factory=Counter)
    open: int = 0  # connections that are open now
    opening: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


async def hold_open(door: Door, connections: int, tally: Tally) -> None:
    """Keep so many connections open that never say anything."""
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_hold_one(door, tally))


async def _hold_one(door: Door, tally: Tally) -> None:
    while True:
        with contextlib.suppress(*ERRORS):
            async with tally.opening:
                reader, writer = await _connect(door)
            tally.counts["connected"] += 1
            tally.open += 1
            try:
                await reader.read()
            finally:
                tally.open -= 1
                tally.counts["closed"] += 1
                writer.transport.abort()
        tally.counts["again"] += 1
        await asyncio.sleep(AGAIN)


async def ask(door: Door, connections: int, build: Callable[[], bytes], tally: Tally) -> None:
    """Send what `build` returns over so many connections, each time after the last response."""
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_ask_one(door, build, tally))


async def _ask_one(door: Door, build: Callable[[], bytes], tally: Tally) -> None:
    while True:
        try:
            reader, writer = await _connect(door)
        except ERRORS:
            tally.counts["not connected"] += 1
            await asyncio.sleep(AGAIN)
            continue
        tally.counts["connected"] += 1
        try:
            while True:
                await _exchange(reader, writer, build(), tally)
        except ERRORS:
            await asyncio.sleep(AGAIN)
        finally:
            writer.transport.abort()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, tally: Tally
) -> None:
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace").lower()
        tally.counts[head.split()[1]] += 1
        _, _, rest = head.partition("content-length:")
        await reader.readexactly(int(rest.split()[0]) if rest else 0)
    if "connection: close" in head:
        raise EOFError


async def _connect(door: Door) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.open_connection(
            "127.0.0.1", door.port, ssl=door.context, local_addr=(door.source, 0)
        )
