"""Starts the transferring child, hands it its job and yields what it reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import msgspec

from flotta.limited_log import LimitedLog
from flotta.printable_text import printable
from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.sync import SYNC_FAILED, TRANSFERS_UNCONFINED
from flotta.sync.file_service import FileService
from flotta.sync.job import (
    Bucket,
    ChildMessage,
    Job,
    RunAborted,
    Task,
    TaskOutcome,
    Unconfined,
    decode_message,
    encode_line,
)
from flotta.sync.model import S3Storage, SyncError

log = logging.getLogger(__name__)
CHILD = ("-P", "-m", "flotta.sync.child")  # without modules of the working directory
LINE_LIMIT = 1 << 20  # bytes of one message of the child
TEXT_LIMIT = 2048  # characters of a cause
ERROR_LINES = 20, 60.0  # lines of the child's standard error that are logged in so many seconds
ERROR_BLOCK = 4096  # bytes of them read at once
STOP_TIMEOUT = 5.0  # seconds for the child to end


class Transfer:
    """One run of the child at a time."""

    def __init__(self, volumes: Path, spool: Path) -> None:
        self._volumes = volumes
        self._spool = spool
        self._process: asyncio.subprocess.Process | None = None
        self._files: FileService | None = None
        self._interrupted = False
        self._unconfined = False  # and that was logged

    async def run(
        self, storage: S3Storage, tasks: list[Task]
    ) -> AsyncGenerator[list[ChildMessage], None]:
        """Do the tasks; yields batches of messages as they arrive. The child ends with the loop."""
        self._interrupted = False
        self._files = FileService(self._volumes, self._spool, tasks)
        process, connection = await self._start_child()
        self._process = process
        serving = asyncio.create_task(_serve_files(self._files, connection, process))
        errors = asyncio.create_task(_log_errors(process))
        try:
            await _write_input(process, encode_line(_make_job(storage, tasks)))
            async for batch in _read_batches(process):
                yield [*self._select_messages(batch)]
            if await process.wait() != 0 and not self._interrupted:
                yield [RunAborted(_describe_exit(process.returncode), "network")]
        finally:
            await _stop_process(process)
            self._process = self._files = None
            await errors
            await serving

    def kill_child(self) -> None:
        """End the running child; what it was sending is resumed later."""
        self._interrupted = True
        if self._files is not None:
            self._files.stop()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _start_child(self) -> tuple[asyncio.subprocess.Process, socket.socket]:
        """Start the child; returns it and the worker's end of the socket for its files."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, _open_lock(self._spool) as lock:
                return await _spawn(theirs.fileno(), lock), ours
        except BaseException:  # cancelled, too: the descriptor would stay open
            ours.close()
            raise

    def _select_messages(self, batch: list[ChildMessage | Unconfined]) -> Iterator[ChildMessage]:
        """Yield the messages about tasks; what the child could not give up is logged once."""
        for message in batch:
            if isinstance(message, Unconfined):
                self._report_unconfined(printable("; ".join(message.problems)))
            elif isinstance(message, TaskOutcome | RunAborted) and message.message:
                # It quotes the S3 server, and goes to logs and heartbeats.
                text = printable(message.message, TEXT_LIMIT)
                yield msgspec.structs.replace(message, message=text)
            else:
                yield message

    def _report_unconfined(self, problems: str) -> None:
        if not self._unconfined:
            self._unconfined = True
            log.warning(
                "Transfers are not confined as they should be: %s [%s]",
                problems,
                TRANSFERS_UNCONFINED,
            )


async def _spawn(connection: int, lock: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *CHILD,
        str(connection),
        str(lock),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=(connection, lock),
        limit=LINE_LIMIT,
    )


@contextlib.contextmanager
def _open_lock(spool: Path) -> Iterator[int]:
    """Yield the lock of the spool, for one child at a time to hold."""
    descriptor = _open_lock_file(spool)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_lock_file(spool: Path) -> int:
    try:
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(spool / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # Where no file can be made, nothing is downloaded that two children could write; what
        # the disk has can still be uploaded.
        return os.memfd_create("lock")


def _make_job(storage: S3Storage, tasks: list[Task]) -> Job:
    bucket = Bucket(
        endpoint=storage.endpoint,
        region=storage.region,
        name=storage.bucket,
        access_key=storage.access_key,
        secret_key=storage.secret_key,
        ca_pem=storage.ca_pem,
    )
    return Job(bucket, tasks, os.getpid())


async def _serve_files(
    service: FileService, connection: socket.socket, process: asyncio.subprocess.Process
) -> None:
    """Serve the child until it ends, and end it if it asks for what is not its own."""
    if not await asyncio.to_thread(service.serve, connection):
        with contextlib.suppress(ProcessLookupError):
            process.kill()


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


async def _read_batches(
    process: asyncio.subprocess.Process,
) -> AsyncIterator[list[ChildMessage | Unconfined]]:
    """Yield what has arrived together, so that a burst of results costs one commit."""
    if process.stdout is None:
        return
    rest = b""
    while data := await process.stdout.read(LINE_LIMIT):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise SyncError("The transferring process sent a message that is too long.")
        if lines:
            yield [decode_message(line) for line in lines]


async def _log_errors(process: asyncio.subprocess.Process) -> None:
    limited = LimitedLog(log, *ERROR_LINES)
    while process.stderr is not None and (data := await process.stderr.read(ERROR_BLOCK)):
        for line in data.decode(errors="replace").splitlines():
            limited.log(logging.WARNING, "Transfer: %s [%s]", printable(line), SYNC_FAILED)


def _describe_exit(code: int | None) -> str:
    return with_code(f"The transferring process ended early (status {code}).", SYNC_FAILED)
