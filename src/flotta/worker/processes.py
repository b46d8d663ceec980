"""Running a program and reading its output; the only place that starts processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

NOT_FOUND = 127  # exit status, as of sh(1)
MAX_OUTPUT = 32 << 20  # bytes of each stream: a list of containers has about 2 KiB for each
CHILDLESS_TIME = 1.0  # seconds in which a program ends whose children were killed
BLOCK = 64 * 1024  # bytes read at once
TIMED_OUT = 124  # exit status, as of timeout(1)


@dataclass(frozen=True)
class ProcessResult:
    """Exit status (a negative signal number, `NOT_FOUND`, `TIMED_OUT`) and output of a program."""

    status: int
    out: bytes
    err: str

    @property
    def ok(self) -> bool:
        """Whether the program succeeded."""
        return self.status == 0


async def run(
    *argv: str,
    timeout: float,  # noqa: ASYNC109 (it ends the program)
    environment: Mapping[str, str] | None = None,
) -> ProcessResult:
    """Run a program without input for at most `timeout` seconds, then kill it.

    `environment` is added to that of the worker.
    Raises nothing: there is a status for a program that cannot be started or takes too long.
    """
    try:
        process = await _start(argv, environment or {})
    except OSError as error:
        return ProcessResult(NOT_FOUND, b"", f"{argv[0]}: {error.strerror}")
    log.debug("Started %s", " ".join(argv[:4]))
    try:
        async with asyncio.timeout(timeout):
            out, err, _ = await asyncio.gather(
                _read_output(process.stdout), _read_output(process.stderr), process.wait()
            )
    except TimeoutError:
        return ProcessResult(
            TIMED_OUT, b"", f"{argv[0]} did not finish within {timeout:.0f} seconds"
        )
    finally:
        await _kill_process(process)
    return ProcessResult(process.returncode or 0, out, err.decode(errors="replace"))


async def run_unread(*argv: str, keep: tuple[int, ...] = ()) -> int | None:
    """Run a program whose output goes nowhere; return its exit status, None if it cannot start.

    It inherits the descriptors in `keep`. When the caller is cancelled, it is killed, and with it
    its children: what an OCI runtime runs in a container does not end with the runtime.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=_child_environment(),
            pass_fds=keep,
        )
    except OSError:
        return None
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            _kill_children(process.pid)
            with contextlib.suppress(TimeoutError):  # without its children it ends by itself
                async with asyncio.timeout(CHILDLESS_TIME):
                    await process.wait()
        await _kill_process(process)


def _kill_children(pid: int) -> None:
    """Kill the children of a process, and the group of each that leads one."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        for child in map(int, text.split()):
            # A child that leads no group is in that of the worker.
            group = -child if os.getpgid(child) == child else child
            os.kill(group, signal.SIGKILL)


async def _start(argv: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**_child_environment(), **environment},
    )


async def _read_output(stream: asyncio.StreamReader | None) -> bytes:
    """Read a stream to its end; what is beyond MAX_OUTPUT is dropped."""
    output = bytearray()
    while stream is not None and (data := await stream.read(BLOCK)):
        output += data[: MAX_OUTPUT - len(output)]
    return bytes(output)


def _child_environment() -> dict[str, str]:
    """Return the environment without what systemd means for this process alone."""
    own = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


async def _kill_process(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
