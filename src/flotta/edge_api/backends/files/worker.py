"""The thread in which files are read and written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """One thread of its own.

    Those that the loop has for everything resolve names, too: they must not wait for a lock.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "certificates")

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns, or raise its error."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(work, *args, **kwargs))

    def close(self) -> None:
        """End the thread after what it does now."""
        self._executor.shutdown(wait=False)
