"""Requests that are held until something about their device changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from flotta.resources.views import Key


class Wakeups:
    """Waiting by the key of an EdgeDevice."""

    def __init__(self) -> None:
        self._waiting: dict[Key, set[asyncio.Future[None]]] = defaultdict(set)

    async def wait(self, key: Key, seconds: float) -> None:
        """Return when `wake` is called for the device, or after that time."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[key].add(future)
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            self._waiting[key].discard(future)
            if not self._waiting[key]:
                del self._waiting[key]

    def wake(self, key: Key) -> None:
        """Make everything that waits for this device check again."""
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(None)

    def wake_all(self) -> None:
        """Make everything check again (the server stops)."""
        for key in list(self._waiting):
            self.wake(key)
