"""How many probes begin at the same moment.

Hundreds of containers must not start hundreds of programs at once, and one that does not answer
must not keep the others from being asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from flotta.token_bucket import TokenBucket
from flotta.worker.probes.probe import Action, Exec

SLOTS = 4  # probes that begin at once; small devices have as many cores
HOLD = 1.0  # seconds after which a probe that still waits for its answer lets others begin


SHORTEST = 0.01  # seconds between two looks for a turn
COMMANDS = 10.0, 20.0  # commands a second on average, and at once: each takes about 15 ms of CPU


class Slots:
    """Lets a few probes begin at a time, and of those with a command only so many a second.

    Who asks for more is asked in turn: a pod that is probed every second must not take a core.
    """

    def __init__(self, commands: TokenBucket | None = None) -> None:
        self._slots = asyncio.Semaphore(SLOTS)
        self._commands = commands or TokenBucket(*COMMANDS)
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def take(self, action: Action) -> AsyncIterator[None]:
        """Wait for a slot and keep it for the block, but no longer than `HOLD`."""
        if isinstance(action, Exec):
            await self._wait_turn()
        await self._slots.acquire()
        held = contextlib.ExitStack()
        held.callback(self._slots.release)
        timer = asyncio.get_running_loop().call_later(HOLD, held.close)
        try:
            yield
        finally:
            timer.cancel()
            held.close()  # does nothing if the timer has done it

    async def _wait_turn(self) -> None:
        async with self._turn:
            while not self._commands.take():  # noqa: ASYNC110 - no event comes from elsewhere
                await asyncio.sleep(max(self._commands.wait_time(), SHORTEST))
