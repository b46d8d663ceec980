"""Whether objects that are no longer there were removed for their own sake.

A namespace or kind that is being deleted takes the workloads of its devices away one by one, also
before the devices themselves. A configuration without them would make devices remove their pods and
files, so none is delivered then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from flotta.edge_api.backends.crd.caches import Caches
from flotta.resources.client import Client
from flotta.resources.deletion_scope import find_ending_scope
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
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        for kind in REMOVABLE:
            caches.of(kind).subscribe(self._follow)

    async def find_ending(self, namespace: str) -> str | None:
        """Return a sentence when configurations of a namespace cannot be relied on, else None.

        Raises ApiError.
        """
        if self._is_explained(namespace):
            return None
        async with self._locks[namespace]:
            if self._is_explained(namespace):
                return None
            count = self._removed[namespace]
            for kind in SCOPES:
                ending = await find_ending_scope(self._client, namespace, kind)
                if ending:
                    return ending
            self._explained[namespace] = count
            return None

    def _is_explained(self, namespace: str) -> bool:
        return self._explained.get(namespace) == self._removed[namespace]

    def _follow(self, old: Resource | None, new: Resource | None) -> None:
        if old is not None and (new is None or is_being_deleted(new)):
            self._removed[namespace_of(old)] += 1
