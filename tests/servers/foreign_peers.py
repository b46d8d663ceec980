"""Gateway and workers as those of yggdrasil (`tests/servers/yggdrasil`), as processes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from servers.api_server import SCRIPTS
from waiting import eventually


@functools.cache
def program() -> str:
    """Return the path of the program; build it if it does not exist yet (seconds)."""
    script = SCRIPTS / "test_servers.sh"
    done = subprocess.run([script, "yggdrasil"], stdout=subprocess.PIPE, text=True, check=True)
    return f"{done.stdout.strip()}/yggdrasil"


class Peer:
    """One of the programs: what it printed, and its standard input."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    def all(self, happened: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines about one thing that have these fields."""
        return [
            line
            for line in self.lines
            if line["happened"] == happened and fields.items() <= line.items()
        ]

    async def said(self, happened: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait for a line; return the last of `count`."""

        def found() -> bool:
            return len(self.all(happened, **fields)) >= count

        try:
            await eventually(lambda: found() or self.process.returncode is not None)
        except AssertionError as error:
            raise AssertionError(f"{happened} {fields} is not in {self.lines[-8:]}") from error
        assert found(), f"it ended with {self.process.returncode}: {self.lines[-8:]}"
        return self.all(happened, **fields)[count - 1]

    async def send(self, **order: Any) -> dict[str, Any]:
        """Have `echo` send a message; return what it says about the answer."""
        assert self.process.stdin is not None
        before = len(self.all("answered"))
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.said("answered", before + 1)

    async def kill(self) -> None:
        """End it without notice."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))


@contextlib.asynccontextmanager
async def peer(
    *arguments: str, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Peer]:
    """Run one of the programs with these arguments until the block is left."""
    with contextlib.ExitStack() as stack:
        error = stack.enter_context(log.open("ab")) if log else None
        process = await asyncio.create_subprocess_exec(
            await asyncio.to_thread(program),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=error,
            env={**os.environ, **(environment or {})},
        )
    started = Peer(process)
    reading = asyncio.create_task(started.read())
    try:
        yield started
    finally:
        await started.kill()
        await reading
