"""The database of a running server: one thread writes, one reads, the event loop for neither."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from flotta.configuration_api.database import FileIdentity, in_use, open_database, translated
from flotta.configuration_api.feed import begin_stretch, changes_after
from flotta.configuration_api.writer import Writer
from flotta.protocol.configuration_api import Changes

T = TypeVar("T")
# Seconds that it waits for a command that writes: less than an Edge API waits for an answer.
PATIENCE = 3.0
LOOK = 0.2  # seconds between two looks for what another process changed


class Store:
    """An open database. Raises DatabaseError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._using = ExitStack()
        self._using.enter_context(in_use(path, create=True))
        self._writing = open_database(path, patience=PATIENCE)
        self._reading = open_database(path, patience=PATIENCE)
        self._file = FileIdentity(path)
        self._writer = Writer(self._writing)
        self._reader = ThreadPoolExecutor(1, "reader")
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin a stretch of changes; raises DatabaseError."""
        self._writer.start()
        await self.write(begin_stretch)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns when all that it wrote is durable.

        Raises what it raises, of which nothing is stored, or DatabaseError.
        """
        self._file.require_same()
        return await asyncio.wrap_future(self._writer.submit(work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` reads; raises DatabaseError."""
        self._file.require_same()
        loop = asyncio.get_running_loop()
        with translated(self._path):
            return await loop.run_in_executor(self._reader, work, self._reading)

    async def wait_for_changes(self, after: int, seconds: float) -> Changes:
        """Return what changed after a version; while nothing has, wait as long as that.

        Commands are processes of their own, so their changes are looked for.
        """
        end = asyncio.get_running_loop().time() + seconds
        while True:
            found = await self.read(lambda connection: changes_after(connection, after))
            left = end - asyncio.get_running_loop().time()
            if found.devices or not found.complete or left <= 0 or self._stopping.is_set():
                return found
            try:
                async with asyncio.timeout(min(LOOK, left)):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def release(self) -> None:
        """Let nobody wait for changes any longer."""
        self._stopping.set()

    async def close(self) -> None:
        """Write what waits and close the file."""
        await asyncio.to_thread(self._writer.stop)
        self._reader.shutdown()
        self._reading.close()
        self._writing.close()
        self._using.close()
