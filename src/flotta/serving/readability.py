"""Waiting for a socket that can be read, without reading."""

from __future__ import annotations

import asyncio
import socket


async def wait_readable(connection: socket.socket) -> None:
    """Wait until a non-blocking socket has data or has ended; raises OSError if it broke."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        pass
    else:
        return
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(connection)


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
