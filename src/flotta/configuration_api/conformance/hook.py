"""What the API has no request for, done by a command of whoever runs the kit."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.printable_text import printable

SECONDS = 60.0  # that a command may take


class Hook(Protocol):
    """Approves, configures and unregisters devices at the store."""

    async def approve(self, namespace: str, device_id: str) -> None:
        """Let a device register."""

    async def configure(self, namespace: str, device_id: str, content: bytes) -> None:
        """Give a device a configuration: the JSON of a DeviceConfigurationMessage."""

    async def unregister(self, namespace: str, device_id: str) -> None:
        """Record the wish that a device goes."""

    async def forget(self, namespace: str, device_id: str) -> None:
        """Remove what is on record about a device; may do nothing."""


class NoHook:
    """Skips what needs a hook."""

    async def approve(self, namespace: str, device_id: str) -> None:
        """Skip."""
        raise Skipped("it needs --hook, which is called with `approve NAMESPACE ID`")

    async def configure(self, namespace: str, device_id: str, content: bytes) -> None:
        """Skip."""
        raise Skipped("it needs --hook, which is called with `configure NAMESPACE ID FILE`")

    async def unregister(self, namespace: str, device_id: str) -> None:
        """Skip."""
        raise Skipped("it needs --hook, which is called with `unregister NAMESPACE ID`")

    async def forget(self, namespace: str, device_id: str) -> None:
        """Leave the devices of the kit at the store."""


class CommandHook:
    """Runs `COMMAND approve NAMESPACE ID`, and so on; `COMMAND` is split as a shell does.

    Raises ValueError for a command that cannot be started.
    """

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)
        if not self._words or shutil.which(self._words[0]) is None:
            raise ValueError(f"--hook {command!r}: there is no such command that can be started")

    async def approve(self, namespace: str, device_id: str) -> None:
        """Run `COMMAND approve NAMESPACE ID`."""
        await self._run("approve", namespace, device_id)

    async def configure(self, namespace: str, device_id: str, content: bytes) -> None:
        """Run `COMMAND configure NAMESPACE ID FILE`."""
        with tempfile.TemporaryDirectory(prefix="flotta-conformance-") as directory:
            file = Path(directory) / f"{device_id}.json"
            await asyncio.to_thread(file.write_bytes, content)
            await self._run("configure", namespace, device_id, str(file))

    async def unregister(self, namespace: str, device_id: str) -> None:
        """Run `COMMAND unregister NAMESPACE ID`."""
        await self._run("unregister", namespace, device_id)

    async def forget(self, namespace: str, device_id: str) -> None:
        """Run `COMMAND forget NAMESPACE ID`; a hook that cannot do it leaves the device there."""
        try:
            await self._run("forget", namespace, device_id)
        except Failed:
            return

    async def _run(self, *words: str) -> None:
        process = await self._start(*words)
        try:
            async with asyncio.timeout(SECONDS):
                output, _ = await process.communicate()
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise Failed(f"the hook `{words[0]}` took more than {SECONDS:g} s") from error
        if process.returncode:
            text = printable(output.decode(errors="replace").strip(), 300)
            raise Failed(f"the hook `{' '.join(words)}` ended with {process.returncode}: {text}")

    async def _start(self, *words: str) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._words,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:  # a script without its first line, or of another machine
            raise Failed(f"the hook `{words[0]}` cannot be started: {error}") from error
