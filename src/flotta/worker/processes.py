"""Running a program and reading what it says; the only place that starts processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """How a program ended: exit status (negative signal number, 124 for a timeout) and its output."""

    status: int
    out: bytes
    err: str

    @property
    def ok(self) -> bool:
        return self.status == 0


async def run(*argv: str, timeout: float) -> Finished:
    """Run a program without input for at most ``timeout`` seconds; a missing program has status 127."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return Finished(127, b"", f"{argv[0]}: {error.strerror}")
    log.debug("Started %s", " ".join(argv[:4]))
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError:
        return Finished(124, b"", f"{argv[0]} did not finish within {timeout:.0f} seconds")
    finally:
        await _end(process)
    return Finished(process.returncode or 0, out, err.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
