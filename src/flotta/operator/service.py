"""The operator as a whole: caches feed queues, controllers empty them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.operator.caches import Caches, plan_inputs
from flotta.operator.controller import Controller
from flotta.operator.provisioning import Provisioning
from flotta.operator.reconcilers import Reconcilers
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.resources.views import key_of
from flotta.storage.provisioner import Provisioner

Object = dict[str, Any]
COUNTS_DELAY = 1.0  # seconds in which changes of many devices join one write of counts
RESYNC = 600.0  # seconds between two runs over every object, in case a watch missed something
log = logging.getLogger(__name__)


class Operator:
    """Owns caches and controllers; both run until cancelled."""

    def __init__(
        self, client: Client, settings: Settings, provisioner: Provisioner | None = None
    ) -> None:
        self.caches = Caches(client)
        reconcilers = Reconcilers(client, self.caches, settings)
        workers = settings.workers
        self._requests = Controller(
            "EdgeDeviceSignedRequest", reconcilers.reconcile_request, workers
        )
        self._devices = Controller(
            "EdgeDevice", reconcilers.reconcile_device, settings.device_workers
        )
        self._workloads = Controller("EdgeWorkload", reconcilers.reconcile_workload, workers)
        self._sets = Controller("EdgeDeviceSet", reconcilers.reconcile_set, workers)
        provisioning = Provisioning(client, self.caches.claims, provisioner)
        self._claims = Controller("ObjectBucketClaim", provisioning.reconcile_claim, workers)
        self.controllers = (
            self._requests,
            self._devices,
            self._workloads,
            self._sets,
            self._claims,
        )
        self._subscribe()

    async def run_caches(self) -> None:
        """Keep the caches current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for cache in self.caches.all:
                group.create_task(cache.run())

    async def run_controllers(self) -> None:
        """Reconcile until cancelled; needs synced caches."""
        async with asyncio.TaskGroup() as group:
            for controller in self.controllers:
                group.create_task(controller.run())
            group.create_task(self._resync())

    def _subscribe(self) -> None:
        self.caches.devices.subscribe(self._device_changed)
        self.caches.workloads.subscribe(self._workload_changed)
        self.caches.sets.subscribe(self._set_changed)
        self.caches.requests.subscribe(self._request_changed)
        self.caches.claims.subscribe(self._claim_changed)

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        device = new or old
        if device is None:
            return
        if new is not None and plan_inputs(old) != plan_inputs(new):
            self._devices.queue.add(key_of(new))
        for key in self.caches.affected_workloads(old, new):
            self._workloads.queue.add_after(key, COUNTS_DELAY)
        for key in self.caches.affected_sets(old, new):
            self._sets.queue.add_after(key, COUNTS_DELAY)
        if old is None or new is None:
            self._requests.queue.add((REQUEST_NAMESPACE, key_of(device)[1]))

    def _workload_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and _spec_fields(old) != _spec_fields(new):
            self._workloads.queue.add(key_of(new))
        for key in self.caches.affected_devices(old, new):
            self._devices.queue.add(key)

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        device_set = new or old
        if device_set is None or _spec_fields(old) == _spec_fields(new):
            return
        self._sets.queue.add(key_of(device_set))
        for device in self.caches.members_of(*key_of(device_set)):
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
            (self.caches.requests.list, self._requests),
            (self.caches.devices.list, self._devices),
            (self.caches.workloads.list, self._workloads),
            (self.caches.sets.list, self._sets),
            (self.caches.claims.list, self._claims),
        )
        while True:
            await asyncio.sleep(RESYNC)
            for objects, controller in sources:
                for resource in objects():
                    controller.queue.add(key_of(resource))


def _spec_fields(resource: Object | None) -> object:
    """Return what of an object its user decides (the generation counts changes of the spec)."""
    if resource is None:
        return None
    metadata = resource["metadata"]
    return metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp")
