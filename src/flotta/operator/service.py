"""The operator as a whole: caches feed queues, controllers empty them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ..resources.client import Conflict, NotFound
from ..resources.kinds import BUCKET_CLAIM
from ..storage.errors import StorageRefused
from .controller import Controller
from .fleet import Fleet, device_concern, key_of
from .names import REQUEST_NAMESPACE
from .reconcilers import Reconcilers
from .steps import Report, execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..resources.client import Client
    from ..storage.claims import Provisioner
    from .controller import Key
    from .settings import Settings

Object = dict[str, Any]
FIGURES_DELAY = 1.0  # seconds in which changes of many devices join one write of figures
RESYNC = 600.0  # seconds between two looks at everything, against what no watch tells
log = logging.getLogger(__name__)


class Operator:
    """Owns caches and controllers; `run` works until cancelled."""

    def __init__(self, client: Client, settings: Settings, provisioner: Provisioner | None = None):
        self.fleet = Fleet(client)
        self._client = client
        self._provisioner = provisioner
        reconcilers = Reconcilers(client, self.fleet, settings)
        workers = settings.workers
        self._requests = Controller("EdgeDeviceSignedRequest", reconcilers.request, workers)
        self._devices = Controller("EdgeDevice", reconcilers.device, settings.device_workers)
        self._workloads = Controller("EdgeWorkload", reconcilers.workload, workers)
        self._sets = Controller("EdgeDeviceSet", reconcilers.device_set, workers)
        self._claims = Controller("ObjectBucketClaim", self._claim, workers)
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

    async def _claim(self, key: Key) -> float | None:
        claim = self.fleet.claims.get(*key)
        if claim is None or self._provisioner is None:
            return None
        try:
            return await self._provisioner.reconcile(claim)
        except Conflict:
            return await self._claim_afresh(self._provisioner, key)
        except StorageRefused as error:
            await execute(self._client, [_refusal(claim, error)])
            raise

    async def _claim_afresh(self, provisioner: Provisioner, key: Key) -> float | None:
        """Reconcile a claim that the cache does not have in its newest state."""
        try:
            claim = await self._client.get(BUCKET_CLAIM, key[1], key[0])
            return await provisioner.reconcile(claim)
        except NotFound:
            return None
        except Conflict:
            return 0.5

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


def _refusal(claim: Object, error: StorageRefused) -> Report:
    return Report(BUCKET_CLAIM, claim, "Warning", "ProvisioningFailed", str(error))


def _spec_of(resource: Object | None) -> object:
    """Return what of an object its user decides (the generation counts changes of the spec)."""
    if resource is None:
        return None
    metadata = resource["metadata"]
    return metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp")
