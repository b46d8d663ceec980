"""The operator as a whole: caches feed queues, controllers empty them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ..fleet.joining import REQUEST_NAMESPACE
from .controller import Controller
from .fleet import Fleet, device_concern, key_of
from .provisioning import Provisioning
from .reconcilers import Reconcilers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..resources.client import Client
    from ..storage.claims import Provisioner
    from .settings import Settings

Object = dict[str, Any]
FIGURES_DELAY = 1.0  # seconds in which changes of many devices join one write of figures
RESYNC = 600.0  # seconds between two looks at everything, against what no watch tells
log = logging.getLogger(__name__)


class Operator:
    """Owns caches and controllers; `run` works until cancelled."""

    def __init__(self, client: Client, settings: Settings, provisioner: Provisioner | None = None):
        self.fleet = Fleet(client)
        reconcilers = Reconcilers(client, self.fleet, settings)
        workers = settings.workers
        self._requests = Controller("EdgeDeviceSignedRequest", reconcilers.request, workers)
        self._devices = Controller("EdgeDevice", reconcilers.device, settings.device_workers)
        self._workloads = Controller("EdgeWorkload", reconcilers.workload, workers)
        self._sets = Controller("EdgeDeviceSet", reconcilers.device_set, workers)
        provisioning = Provisioning(client, self.fleet.claims, provisioner)
        self._claims = Controller("ObjectBucketClaim", provisioning.claim, workers)
        self.controllers = (
            self._requests,
            self._devices,
            self._workloads,
            self._sets,
            self._claims,
        )
        self._subscribe()

    async def follow(self) -> None:
        """Keep the caches current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for cache in self.fleet.caches:
                group.create_task(cache.run())

    async def work(self) -> None:
        """Reconcile until cancelled; needs synced caches."""
        async with asyncio.TaskGroup() as group:
            for controller in self.controllers:
                group.create_task(controller.run())
            group.create_task(self._resync())

    def _subscribe(self) -> None:
        self.fleet.devices.subscribe(self._device_changed)
        self.fleet.workloads.subscribe(self._workload_changed)
        self.fleet.sets.subscribe(self._set_changed)
        self.fleet.requests.subscribe(self._request_changed)
        self.fleet.claims.subscribe(self._claim_changed)

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        device = new or old
        if device is None:
            return
        if new is not None and device_concern(old) != device_concern(new):
            self._devices.queue.add(key_of(new))
        for key in self.fleet.affected_workloads(old, new):
            self._workloads.queue.add_after(key, FIGURES_DELAY)
        for key in self.fleet.affected_sets(old, new):
            self._sets.queue.add_after(key, FIGURES_DELAY)
        if old is None or new is None:
            self._requests.queue.add((REQUEST_NAMESPACE, key_of(device)[1]))

    def _workload_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and _spec_of(old) != _spec_of(new):
            self._workloads.queue.add(key_of(new))
        for key in self.fleet.affected_devices(old, new):
            self._devices.queue.add(key)

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        device_set = new or old
        if device_set is None or _spec_of(old) == _spec_of(new):
            return
        self._sets.queue.add(key_of(device_set))
        for device in self.fleet.members(*key_of(device_set)):
            self._devices.queue.add(key_of(device))

    def _request_changed(self, _: Object | None, new: Object | None) -> None:
        if new is not None:
            self._requests.queue.add(key_of(new))

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        claim = new or old
        if claim is None:
            return
        self._devices.queue.add(key_of(claim))
        if new is not None:
            self._claims.queue.add(key_of(new))

    async def _resync(self) -> None:
        sources: tuple[tuple[Callable[[], list[Object]], Controller], ...] = (
            (self.fleet.requests.list, self._requests),
            (self.fleet.devices.list, self._devices),
            (self.fleet.workloads.list, self._workloads),
            (self.fleet.sets.list, self._sets),
            (self.fleet.claims.list, self._claims),
        )
        while True:
            await asyncio.sleep(RESYNC)
            for objects, controller in sources:
                for resource in objects():
                    controller.queue.add(key_of(resource))


def _spec_of(resource: Object | None) -> object:
    """Return what of an object its user decides (the generation counts changes of the spec)."""
    if resource is None:
        return None
    metadata = resource["metadata"]
    return metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp")
