"""Caches of the objects that configurations are rendered from."""

from __future__ import annotations

import asyncio
from typing import Any

from flotta.edge_api.backends.crd.optional_cache import OptionalCache
from flotta.fleet.object_storage import NOOBAA_ROUTE
from flotta.protocol.models import InputsVersion
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    ROUTE,
    SECRET,
    SIGNED_REQUEST,
    Kind,
    ResourceT,
)
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import Resource
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import key_of, uid_of

KINDS = (
    *(EDGE_DEVICE, EDGE_WORKLOAD, EDGE_DEVICE_SET, SIGNED_REQUEST),
    *(BUCKET_CLAIM, SECRET, CONFIG_MAP),
)


class Caches:
    """One list+watch cache of each kind; an ObjectSource for rendering."""

    def __init__(self, client: Client) -> None:
        # A dictionary cannot express that each value has the type of its key; `of` does.
        self._required: dict[Kind[Resource], Cache[Any]] = {
            kind: Cache(client, kind) for kind in KINDS
        }
        route_namespace, _ = NOOBAA_ROUTE
        self._routes = OptionalCache(client, ROUTE, route_namespace)
        self._caches = {**self._required, ROUTE: self._routes.cache}
        self.devices = self.of(EDGE_DEVICE)

    def of(self, kind: Kind[ResourceT]) -> Cache[ResourceT]:
        """Return the cache of a kind; that of ROUTE is empty on clusters without Routes."""
        cache: Cache[ResourceT] = self._caches[kind]
        return cache

    @property
    def synced(self) -> bool:
        """Whether every cache holds its first list."""
        return self._routes.settled and all(cache.synced for cache in self._required.values())

    def inputs_version(self, device: EdgeDevice) -> InputsVersion | None:
        """Return how new what decides which workloads a device runs is: they, and the device.

        The EdgeDevice counts only if it is not in the cache. None if a version is not a decimal
        number: other ones cannot be compared.
        """
        known = self.devices.get(*key_of(device)) or device
        workloads = self.of(EDGE_WORKLOAD).resource_version
        own = known["metadata"]["resourceVersion"]
        if not all(version.isascii() and version.isdecimal() for version in (workloads, own)):
            return None
        return InputsVersion(
            device_uid=uid_of(known), workloads_version=workloads, device_version=own
        )

    @property
    def unhealthy_reason(self) -> str | None:
        """Why the caches cannot be relied on, as a sentence; None when they can.

        A kind was not listed yet, or its watch is broken.
        """
        for cache in self._required.values():
            if cache.synced and cache.unhealthy_reason:
                return cache.unhealthy_reason
        return None if self.synced else "the caches are not filled yet"

    async def wait_synced(self) -> None:
        """Wait until every cache holds its first list."""
        waits = (cache.wait_synced() for cache in self._required.values())
        await asyncio.gather(self._routes.wait_settled(), *waits)

    async def run(self) -> None:
        """Keep all caches current until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._routes.run())
            for cache in self._required.values():
                group.create_task(cache.run())

    def workloads(self, namespace: str) -> list[EdgeWorkload]:
        """Return the EdgeWorkloads of a namespace."""
        return self.of(EDGE_WORKLOAD).list(namespace)

    def lookup(self, kind: Kind[ResourceT], namespace: str, name: str) -> ResourceT | None:
        """Return one object, None when it does not exist."""
        return self.of(kind).get(namespace, name)
