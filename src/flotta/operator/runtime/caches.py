"""The list+watch caches of the operator: one for each kind that a controller reads."""

from __future__ import annotations

import asyncio
from typing import Any

from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import Kind, ResourceT
from flotta.resources.objects.meta import Resource


class Caches:
    """The caches, created when controllers are built and run together."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # Any: a dictionary type cannot say that a kind and its cache have the same objects.
        self._caches: dict[Kind[Resource], Cache[Any]] = {}
        self._running = False

    def of(self, kind: Kind[ResourceT]) -> Cache[ResourceT]:
        """Return the cache of a kind, always the same one.

        Raises RuntimeError for a new kind after the caches began to run: nothing would fill its
        cache.
        """
        if kind not in self._caches:
            if self._running:
                raise RuntimeError(f"{kind.plural}: the caches are already running")
            self._caches[kind] = Cache(self._client, kind)
        cache: Cache[ResourceT] = self._caches[kind]
        return cache

    async def run(self) -> None:
        """Keep the caches current until cancelled."""
        self._running = True
        async with asyncio.TaskGroup() as group:
            for cache in self._caches.values():
                group.create_task(cache.run())

    async def wait_synced(self) -> None:
        """Wait for the first list of every kind."""
        await asyncio.gather(*(cache.wait_synced() for cache in self._caches.values()))

    def find_stale(self) -> list[str]:
        """Return a sentence for each kind that was not listed yet or whose watch is silent."""
        reasons = (cache.unhealthy_reason for cache in self._caches.values())
        return [reason for reason in reasons if reason]
