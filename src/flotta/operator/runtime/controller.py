"""A controller: a queue of object keys, and workers that reconcile them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from flotta.operator.runtime.queue import WorkQueue
from flotta.operator.runtime.steps import CreationRefused
from flotta.resources.client import ApiError
from flotta.resources.views import Key
from flotta.storage.errors import StorageError

ReconcileKey = Callable[[Key], Awaitable[float | None]]
RESYNC = 600.0  # seconds until every object is reconciled again, in case a watch missed a change
log = logging.getLogger(__name__)


class Controller:
    """Calls `reconcile((namespace, name))` for each key of its queue.

    If it returns a number of seconds, the key comes back then; if it raises, the error is logged,
    and the key comes back after growing delays. `list_keys` returns the keys of all objects.
    """

    def __init__(
        self,
        name: str,
        reconcile: ReconcileKey,
        workers: int,
        list_keys: Callable[[], Iterable[Key]] = tuple,
    ) -> None:
        self.name = name
        self.queue: WorkQueue[Key] = WorkQueue()
        self.results: Counter[str] = Counter()
        self._reconcile = reconcile
        self._workers = workers
        self._list_keys = list_keys
        self._started: dict[Key, float] = {}

    @property
    def busy_seconds(self) -> float:
        """Seconds for which every worker has been at its present object, 0 while any is free."""
        if len(self._started) < self._workers:
            return 0.0
        return time.monotonic() - max(self._started.values())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._run_worker())
            group.create_task(self._resync())

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC)
            for key in self._list_keys():
                self.queue.add(key)

    async def _run_worker(self) -> None:
        while True:
            key = await self.queue.get()
            self._started[key] = time.monotonic()
            await self._reconcile_key(key)
            del self._started[key]

    async def _reconcile_key(self, key: Key) -> None:
        namespace, name = key
        subject = f"{self.name} {namespace}/{name}"
        try:
            delay = await self._reconcile(key)
        except (ApiError, CreationRefused, StorageError) as error:
            self.results["error"] += 1
            log.warning("%s: %s; retrying in %.1f s", subject, error, self.queue.retry(key))
        except Exception:  # a defect in one kind must not stop the others
            self.results["error"] += 1
            log.exception("%s failed; retrying in %.1f s", subject, self.queue.retry(key))
        else:
            self.results["success"] += 1
            self.queue.finish(key)
            if delay is not None:
                self.queue.add_after(key, delay)
