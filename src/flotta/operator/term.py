"""A leader's term: the work that ends with the Lease, and before the Lease is given away."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .leader import Leadership

GRACE = 3.0  # seconds that calls in threads have after the Lease is lost; below DURATION - GIVE_UP
log = logging.getLogger(__name__)


async def lead(leadership: Leadership, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for the Lease and work until it is lost, or until cancelled.

    What the work began in threads of the loop ends too: with the Lease still held, or, when it is
    lost, in time for the successor; if need be with the process.
    """
    await leadership.acquire()
    threads = ThreadPoolExecutor()
    asyncio.get_running_loop().set_default_executor(threads)
    holding = asyncio.create_task(leadership.hold())
    working = asyncio.create_task(work())
    try:
        await asyncio.wait((holding, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending = asyncio.create_task(_end(working, threads))
        await asyncio.wait((holding, ending), return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            await _end_in_time(ending)
        else:
            holding.cancel()
            await leadership.release()
    if not working.cancelled():
        working.result()


async def _end(working: asyncio.Task[None], threads: ThreadPoolExecutor) -> None:
    working.cancel()
    await asyncio.wait((working,))
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor())  # names are still resolved after the work
    await loop.run_in_executor(None, threads.shutdown)


async def _end_in_time(ending: asyncio.Task[None]) -> None:
    await asyncio.wait((ending,), timeout=GRACE)
    if not ending.done():
        log.critical("A call goes on after the leader's lease is lost; ending at once")
        os._exit(1)
