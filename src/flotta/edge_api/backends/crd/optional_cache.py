"""A cache of a kind that a cluster may not have, or may not allow flotta to read."""

from __future__ import annotations

import asyncio
import logging
from typing import Generic

from flotta.backoff import Backoff
from flotta.resources.cache import Cache
from flotta.resources.client import ApiError, Client, Forbidden, NotFound
from flotta.resources.kinds import Kind, ResourceT

RECHECK_INTERVAL = 300.0  # seconds until an absent kind is tried again
START_TIMEOUT = 30.0  # seconds for which the start waits for a clear response
READ_RETRY = 1.0, 10.0  # first and longest seconds between two attempts without one
log = logging.getLogger(__name__)


class OptionalCache(Generic[ResourceT]):
    """Runs `cache` once its kind can be read; until then it is empty."""

    def __init__(self, client: Client, kind: Kind[ResourceT], namespace: str) -> None:
        self.cache = Cache(client, kind, namespace)
        self._client = client
        self._namespace = namespace
        self._settled = asyncio.Event()

    @property
    def settled(self) -> bool:
        """Whether the cache is filled, or the kind is known to be absent."""
        return self._settled.is_set() or self.cache.synced

    async def wait_settled(self) -> None:
        """Wait for `settled`, at most START_TIMEOUT.

        An aggregated API may be down for long.
        """
        waits = [
            asyncio.create_task(wait) for wait in (self._settled.wait(), self.cache.wait_synced())
        ]
        await asyncio.wait(waits, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._settled.set()

    async def run(self) -> None:
        """Keep the cache current until cancelled."""
        while not await self._is_readable():
            self._settled.set()
            await asyncio.sleep(RECHECK_INTERVAL)
        await self.cache.run()

    async def _is_readable(self) -> bool:
        backoff = Backoff(*READ_RETRY)
        while True:
            try:
                await self._client.list(self.cache.kind, self._namespace)
            except (NotFound, Forbidden):
                return False
            except ApiError as error:
                log.debug("%s: %s", self.cache.kind.plural, error)
                await asyncio.sleep(backoff.next())
            else:
                return True
