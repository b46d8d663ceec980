"""The list+watch caches of the operator: one for each kind that a controller asked for."""

from __future__ import annotations

import asyncio
from typing import Any

from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import Kind, ResourceT
from flotta.resources.objects.meta import Resource


class Caches:
    """The caches, made when controllers are put together and run as one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # Any: no dictionary can say that a kind and its cache are of the same objects.
        self._caches: dict[Kind[Resource], Cache[Any]] = {}
        self._running = False

    def of(self, kind: Kind[ResourceT]) -> Cache[ResourceT]:
        """Return the cache of a kind, the same to all who ask.

        Raises RuntimeError for a kind that is new after the caches began to run: nobody would fill
        its cache.
        """
        if kind not in self._caches:
            if self._running:
                raise RuntimeError(f"{kind.plural}: the caches run already")
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
        """Return a sentence for each kind that is not listed yet or whose watch is silent."""
        reasons = (cache.unhealthy_reason for cache in self._caches.values())
        return [reason for reason in reasons if reason]
