"""A controller: a queue of object keys and workers that reconcile them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import cast

from flotta.operator.queue import WorkQueue
from flotta.resources.client import ApiError
from flotta.resources.views import Key
from flotta.storage.errors import StorageError

Reconcile = Callable[[Key], Awaitable[float | None]]
log = logging.getLogger(__name__)


class Controller:
    """Calls `reconcile((namespace, name))` for each key; a returned number of seconds asks to come back then."""

    def __init__(self, name: str, reconcile: Reconcile, workers: int) -> None:
        self.name = name
        self.queue = WorkQueue()
        self.results: Counter[str] = Counter()
        self._reconcile = reconcile
        self._workers = workers
        self._started: dict[Key, float] = {}

    @property
    def busy_seconds(self) -> float:
        """Seconds for which every worker has been at the object it has now, 0 while one is free."""
        if len(self._started) < self._workers:
            return 0.0
        return time.monotonic() - max(self._started.values())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._run_worker())

    async def _run_worker(self) -> None:
        while True:
            key = cast("Key", await self.queue.get())
            self._started[key] = time.monotonic()
            await self._reconcile_key(key)
            del self._started[key]

    async def _reconcile_key(self, key: Key) -> None:
        subject = f"{self.name} {key[0]}/{key[1]}"
        try:
            delay = await self._reconcile(key)
        except (ApiError, StorageError) as error:
            self.results["error"] += 1
            log.warning("%s: %s; again in %.1f s", subject, error, self.queue.retry(key))
        except Exception:
            self.results["error"] += 1
            log.exception("%s failed; again in %.1f s", subject, self.queue.retry(key))
        else:
            self.results["success"] += 1
            self.queue.finish(key)
            if delay is not None:
                self.queue.add_after(key, delay)
