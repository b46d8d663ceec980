"""Errors that nobody foresaw: logged, and never the end of a program of the device.

Gateway and worker are what the control plane tells to remove a bad workload, or everything. A
message, a file or a disk that they were not written for must not end them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from flotta.protocol.reasons.workloads import INTERNAL_ERROR

log = logging.getLogger(__name__)

AGAIN = 30.0  # seconds until something that failed runs again


async def keep_going(work: Callable[[], Awaitable[None]]) -> bool:
    """Do some work; return whether it ended without an error, which is logged."""
    try:
        await work()
    except Exception:  # the outermost edge of one piece of work
        log.exception("What failed is left out [%s]", INTERNAL_ERROR)
        return False
    return True


async def run_again(work: Callable[[], Awaitable[None]]) -> None:
    """Run until the work returns or is cancelled; run it again a while after an error."""
    while True:
        if await keep_going(work):
            return
        await asyncio.sleep(AGAIN)
