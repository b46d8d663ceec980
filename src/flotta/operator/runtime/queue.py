"""A keyed work queue: each key is queued once and never handed out twice at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from flotta.backoff import Backoff

KEY_RETRY = 0.2, 60.0  # first and longest seconds until a key that failed comes back
KeyT = TypeVar("KeyT", bound=Hashable)


class WorkQueue(Generic[KeyT]):
    """Hands out keys; `finish` or `retry` must follow each `get`.

    A key added while it is being worked on comes back after that work, so that two workers never
    hold one key. Delays are in seconds; of two delays for one key the earlier wins.
    """

    def __init__(self) -> None:
        self._ready: deque[KeyT] = deque()
        self._waiting: set[KeyT] = set()
        self._active: set[KeyT] = set()
        self._dirty: set[KeyT] = set()
        self._timers: dict[KeyT, asyncio.TimerHandle] = {}
        self._backoffs: dict[KeyT, Backoff] = {}
        self._available = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: KeyT) -> None:
        """Hand the key out as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._active:
            self._dirty.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._available.set()

    def add_after(self, key: KeyT, delay: float) -> None:
        """Hand the key out in `delay` seconds, unless it is due sooner anyway."""
        if delay <= 0:
            self.add(key)
            return
        if key in self._waiting:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(delay, self.add, key)

    async def get(self) -> KeyT:
        """Wait for the next key and take it."""
        while not self._ready:
            self._available.clear()
            await self._available.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._active.add(key)
        return key

    def finish(self, key: KeyT) -> None:
        """Report that the key's work succeeded."""
        self._backoffs.pop(key, None)
        self._release(key)

    def retry(self, key: KeyT) -> float:
        """Report that the key's work failed; it comes back after the returned delay in seconds."""
        delay = self._backoffs.setdefault(key, Backoff(*KEY_RETRY)).next()
        self._release(key)
        self.add_after(key, delay)
        return delay

    def _release(self, key: KeyT) -> None:
        self._active.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)
