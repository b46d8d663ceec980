"""A resource API in memory.

What its watches bring can be held back, and a write be met in the middle.
"""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from background import in_background
from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings
from flotta.merge_patch import apply_merge_patch
from flotta.resources.errors import AlreadyExists, Conflict, NotFound
from flotta.resources.kinds import EDGE_DEVICE, ROUTE, Kind

Object = dict[str, Any]
Event = tuple[str, Object]
Hook = Callable[[Object, str], Awaitable[None]]


class Store:
    """What the Edge API needs of `Client`, for one namespace."""

    def __init__(self) -> None:
        self.objects: dict[Kind, dict[str, Object]] = defaultdict(dict)
        self.events: list[str] = []
        self.patches = 0
        self.stored: Hook | None = None  # awaited between a patch and its response
        self._version = 0
        self._open: dict[Kind, asyncio.Queue[Event]] = defaultdict(asyncio.Queue)
        self._held: dict[Kind, list[Event]] = {}

    def put(self, kind: Kind, obj: Object) -> Object:
        """Create or replace an object as another writer."""
        metadata = obj["metadata"]
        new = metadata["name"] not in self.objects[kind]
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        self.objects[kind][metadata["name"]] = obj
        self._tell(kind, "ADDED" if new else "MODIFIED", obj)
        return obj

    def remove(self, kind: Kind, name: str) -> None:
        obj = copy.deepcopy(self.objects[kind].pop(name))
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._tell(kind, "DELETED", obj)

    def device(self) -> Object:
        """Return EdgeDevice `d-17`."""
        return self.objects[EDGE_DEVICE]["d-17"]

    def hold(self, kind: Kind) -> None:
        """Let the watch of a kind tell nothing until `release`."""
        self._held[kind] = []

    def release(self, kind: Kind) -> None:
        for event in self._held.pop(kind, []):
            self._open[kind].put_nowait(event)

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        if name not in self.objects[kind]:
            raise NotFound(404, "NotFound", f"{name} does not exist")
        return copy.deepcopy(self.objects[kind][name])

    async def get_or_none(
        self, kind: Kind, name: str, namespace: str | None = None
    ) -> Object | None:
        return copy.deepcopy(self.objects[kind].get(name))

    async def list(
        self, kind: Kind, namespace: str | None = None, *, label_selector: str = ""
    ) -> list[Object]:
        if kind == ROUTE:
            raise NotFound(404, "NotFound", "this cluster has no Routes")
        return list(self.objects[kind].values())

    async def list_with_version(
        self, kind: Kind, namespace: str | None = None
    ) -> tuple[list[Object], str]:
        return copy.deepcopy(await self.list(kind)), str(self._version)

    async def watch(
        self, kind: Kind, namespace: str | None = None, *, resource_version: str
    ) -> AsyncIterator[Event]:
        while True:
            event = await self._open[kind].get()
            if int(event[1]["metadata"]["resourceVersion"]) > int(resource_version):
                yield event

    async def create(self, kind: Kind, obj: Object) -> Object:
        name = obj["metadata"]["name"]
        if name in self.objects[kind]:
            raise AlreadyExists(409, "AlreadyExists", f"{name} exists")
        metadata = {"uid": f"uid-of-{name}", **obj["metadata"]}
        return copy.deepcopy(self.put(kind, {**copy.deepcopy(obj), "metadata": metadata}))

    async def merge_patch(
        self, kind: Kind, name: str, namespace: str, patch: Object, subresource: str = ""
    ) -> Object:
        old = await self.get(kind, name)
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, old["metadata"]["resourceVersion"]):
            raise Conflict(409, "Conflict", f"{name} was changed")
        new: Object = copy.deepcopy(self.put(kind, apply_merge_patch(old, patch)))
        self.patches += 1
        if self.stored is not None:
            await self.stored(new, subresource)
        return new

    async def record_event(self, involved: Object, *, reason: str, kind: Kind, **_: str) -> None:
        self.events.append(f"{kind.kind} {reason}")

    def _tell(self, kind: Kind, type_: str, obj: Object) -> None:
        event = type_, copy.deepcopy(obj)
        if kind in self._held:
            self._held[kind].append(event)
        else:
            self._open[kind].put_nowait(event)


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[CrdBackend]:
    """Run the backend of an Edge API on this store."""
    backend = CrdBackend(store, Settings(), EdgeApiMetrics())  # type: ignore[arg-type]
    async with in_background(backend.run()):
        await backend.wait_ready()
        yield backend
