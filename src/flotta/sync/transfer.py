"""Starts the transferring child, hands it its job and yields what it reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.sync import SYNC_FAILED
from flotta.sync.job import Bucket, ChildMessage, Job, RunAborted, Task, decode_message, encode_line
from flotta.sync.model import S3Storage

log = logging.getLogger(__name__)
LINE_LIMIT = 1 << 20  # bytes of one message of the child
STOP_TIMEOUT = 5.0  # seconds for the child to end


class Transfer:
    """One run of the child at a time."""

    def __init__(self, volumes: Path, spool: Path) -> None:
        self._volumes = volumes
        self._spool = spool
        self._process: asyncio.subprocess.Process | None = None
        self._interrupted = False

    async def run(
        self, storage: S3Storage, tasks: list[Task]
    ) -> AsyncGenerator[list[ChildMessage], None]:
        """Do the tasks; yields batches of messages as they arrive. The child ends with the loop."""
        self._interrupted = False
        process = await self._start_child()
        self._process = process
        errors = asyncio.create_task(_log_errors(process))
        try:
            await _write_input(process, encode_line(self._make_job(storage, tasks)))
            async for batch in _read_batches(process):
                yield batch
            if await process.wait() != 0 and not self._interrupted:
                yield [RunAborted(_describe_exit(process.returncode), "network")]
        finally:
            await _stop_process(process)
            self._process = None
            await errors

    def kill_child(self) -> None:
        """End the running child; what it was sending is resumed later."""
        self._interrupted = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _start_child(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "flotta.sync.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
        )

    def _make_job(self, storage: S3Storage, tasks: list[Task]) -> Job:
        bucket = Bucket(
            endpoint=storage.endpoint,
            region=storage.region,
            name=storage.bucket,
            access_key=storage.access_key,
            secret_key=storage.secret_key,
            ca_pem=storage.ca_pem,
        )
        return Job(bucket, str(self._volumes), str(self._spool), tasks, os.getpid())


async def _stop_process(process: asyncio.subprocess.Process) -> None:
    """End a process that is still running."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()


async def _write_input(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _read_batches(process: asyncio.subprocess.Process) -> AsyncIterator[list[ChildMessage]]:
    """Yield what has arrived together, so that a burst of results costs one commit."""
    if process.stdout is None:
        return
    rest = b""
    while data := await process.stdout.read(LINE_LIMIT):
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            yield [decode_message(line) for line in lines]


async def _log_errors(process: asyncio.subprocess.Process) -> None:
    if process.stderr is not None:
        async for line in process.stderr:
            log.warning("Transfer: %s [%s]", line.decode(errors="replace").rstrip(), SYNC_FAILED)


def _describe_exit(code: int | None) -> str:
    return with_code(f"The transferring process ended early (status {code}).", SYNC_FAILED)
