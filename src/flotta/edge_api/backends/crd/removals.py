"""Whether objects that are no longer there were removed for their own sake.

A namespace or kind that is being deleted takes the workloads of its devices away one by one, also
before the devices themselves. A configuration without them would make devices remove their pods and
files, so none is delivered then.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict

from flotta.edge_api.backends.crd.caches import Caches
from flotta.resources.client import Client
from flotta.resources.deletion_scope import Definition, read_scope
from flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    SECRET,
    Kind,
)
from flotta.resources.objects.meta import Resource
from flotta.resources.views import is_being_deleted, namespace_of

REMOVABLE: tuple[Kind[Resource], ...] = (EDGE_WORKLOAD, EDGE_DEVICE_SET, SECRET, CONFIG_MAP)
SCOPES: tuple[Kind[Resource], ...] = (EDGE_WORKLOAD, EDGE_DEVICE)


class Removals:
    """Counts what disappears from the caches, and asks the API why before that takes effect.

    A deletionTimestamp of the namespace or kind is older than the deletion of what is in it, so one
    read after the last removal answers for all before it.
    """

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._removed: defaultdict[str, int] = defaultdict(int)  # by namespace
        self._explained: dict[str, int] = {}  # the count for which the API was asked
        self._asked: dict[str, float] = {}  # when that began, in monotonic seconds
        self._definitions: dict[str, Definition | None] = {}  # of EdgeWorkloads, as read then
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        for kind in REMOVABLE:
            caches.of(kind).subscribe(self._follow)

    async def find_ending(self, namespace: str, *, reread: bool = False) -> str | None:
        """Return a sentence when configurations of a namespace cannot be relied on, else None.

        `reread` does not rely on what the API said before this call. Raises ApiError.
        """
        called = time.monotonic() if reread else -math.inf
        if self._is_explained(namespace, called):
            return None
        async with self._locks[namespace]:
            if self._is_explained(namespace, called):  # many devices may wait for one answer
                return None
            return await self._ask(namespace)

    def definition(self, namespace: str) -> Definition | None:
        """Return the definition of EdgeWorkloads that `find_ending` found last.

        None on the embedded engine, where it never changes.
        """
        return self._definitions.get(namespace)

    async def _ask(self, namespace: str) -> str | None:
        count, began = self._removed[namespace], time.monotonic()
        definitions = {}
        for kind in SCOPES:
            scope = await read_scope(self._client, namespace, kind)
            if scope.ending:
                return scope.ending
            definitions[kind] = scope.definition
        self._definitions[namespace] = definitions[EDGE_WORKLOAD]
        self._explained[namespace], self._asked[namespace] = count, began
        return None

    def _is_explained(self, namespace: str, called: float) -> bool:
        current = self._explained.get(namespace) == self._removed[namespace]
        return current and self._asked[namespace] >= called

    def _follow(self, old: Resource | None, new: Resource | None) -> None:
        if old is not None and (new is None or is_being_deleted(new)):
            self._removed[namespace_of(old)] += 1
