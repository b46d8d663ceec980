"""Starts and stops attacks."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attackers.target import Target

POLL = 0.1  # seconds between two looks whether all have begun
TESTS = Path(__file__).resolve().parents[1]


class RunningAttack:
    """One attacker's process; `counts` is what it has last said."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.counts: dict[str, int] = {}
        self._process = process
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.counts = json.loads(line)

    @property
    def failed(self) -> bool:
        """Whether the attacker ended by itself."""
        return self._process.returncode is not None

    async def stop(self) -> None:
        """Let the process end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def attacking(targets: Mapping[str, Target]) -> AsyncIterator[dict[str, RunningAttack]]:
    """Run the attacks of these names, each on its target, until the block is left.

    It is entered when all have begun.
    """
    attacks = {name: await _start(name, target) for name, target in targets.items()}
    try:
        while not all(attack.counts for attack in attacks.values()):
            await asyncio.sleep(POLL)
        yield attacks
    finally:
        await asyncio.gather(*(attack.stop() for attack in attacks.values()))


async def _start(name: str, target: Target) -> RunningAttack:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "attackers",
        name,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert process.stdin is not None
    process.stdin.write(target.to_json().encode() + b"\n")
    return RunningAttack(name, process)
