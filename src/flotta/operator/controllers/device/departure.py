"""What an EdgeDevice that is being deleted means for its device: a tombstone, or nothing.

A device wipes itself only with a tombstone that grants it. An EdgeDevice that goes with its
namespace or its kind gets none: the device is then unknown and keeps running. More deletions than
the brake allows are held (docs/reference/control-plane.md#decommissioning).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

from flotta.fleet.joining import REQUEST_NAMESPACE, is_registered, was_heard
from flotta.fleet.tombstones import (
    Tombstone,
    Wipe,
    confirmed_by,
    is_held,
    make_tombstone,
    read_tombstone,
    tombstone_name,
)
from flotta.operator.controllers.context import Context, utc_now
from flotta.operator.controllers.device.brake import Brake
from flotta.operator.runtime.queue import WorkQueue
from flotta.operator.runtime.steps import Create, Patch, Step, execute_steps
from flotta.resources.deletion_scope import find_ending_scope
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, SIGNED_REQUEST
from flotta.resources.objects.core import ConfigMap
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import Key, is_being_deleted, key_of, name_of, namespace_of, uid_of


class Departure(NamedTuple):
    """What was decided about a device: `tombstone` is None when there is nothing to wipe.

    `ending` says why the EdgeDevice does not go for its own sake; `steps` write the tombstone.
    """

    tombstone: Tombstone | None
    ending: str | None = None
    steps: tuple[Step, ...] = ()


def may_have_device(device: EdgeDevice, request: SignedRequest | None) -> bool:
    """Tell whether a device may exist that has a certificate for this EdgeDevice."""
    return is_registered(device) and (request is not None or was_heard(device))


class Departures:
    """Decides about devices that leave, and writes tombstones of those that are gone already.

    An object whose finalizers were removed by hand is gone before anything could be done for it;
    the watch still shows that it was being deleted. Feeds the controller with such names.
    """

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._namespace = context.settings.namespace
        self._devices = context.caches.of(EDGE_DEVICE)
        self._brake = Brake(context.client, context.settings.namespace)
        self._gone: dict[Key, dict[str, EdgeDevice]] = defaultdict(dict)  # by UID

    def feed(self, queue: WorkQueue[Key]) -> None:
        """Put the names of devices that went while they were being deleted into the queue."""

        def take(old: EdgeDevice | None, new: EdgeDevice | None) -> None:
            if old is None or not is_being_deleted(old):
                return
            if new is None or uid_of(new) != uid_of(old):
                self._gone[key_of(old)][uid_of(old)] = old
                queue.add(key_of(old))

        self._devices.subscribe(take)

    async def settle(self, key: Key) -> None:
        """Write the tombstones of the devices of this name that are gone. Raises ApiError."""
        for uid, device in list(self._gone.get(key, {}).items()):
            request = await self._client.get_or_none(
                SIGNED_REQUEST, name_of(device), REQUEST_NAMESPACE
            )
            departure = await self.decide(device, request, utc_now())
            await execute_steps(self._client, departure.steps)
            del self._gone[key][uid]
        if key in self._gone and not self._gone[key]:
            del self._gone[key]

    async def decide(
        self, device: EdgeDevice, request: SignedRequest | None, now: datetime
    ) -> Departure:
        """Decide about a device that is being deleted or was. Raises ApiError."""
        name = tombstone_name(uid_of(device))
        stored = await self._client.get_or_none(CONFIG_MAP, name, self._namespace)
        tombstone = read_tombstone(stored)
        if tombstone is not None and tombstone.granted:
            return Departure(tombstone)
        ending = await find_ending_scope(self._client, namespace_of(device), EDGE_DEVICE, device)
        if ending:
            return Departure(tombstone, ending)
        if tombstone is not None and stored is not None:
            return self._reconsider(device, tombstone, stored, now)
        if not may_have_device(device, request):
            return Departure(None)
        return await self._decide_new(device, now)

    async def _decide_new(self, device: EdgeDevice, now: datetime) -> Departure:
        wipe: Wipe = "granted"
        if is_held(device):
            # Its tombstone is missing: removed by hand, or the store was replaced by an older one.
            wipe = "held"
        elif not confirmed_by(device):
            wipe = await self._brake.decide(uid_of(device), len(self._devices.list()), now)
        tombstone = Tombstone.of(device, wipe, now)
        step = Create(CONFIG_MAP, make_tombstone(tombstone, self._namespace))
        return Departure(tombstone, None, (step,))

    def _reconsider(
        self, device: EdgeDevice, held: Tombstone, stored: ConfigMap, now: datetime
    ) -> Departure:
        """Grant a wipe that was held, once an administrator confirmed it."""
        by = confirmed_by(device)
        if not by:
            return Departure(held)
        granted = held.grant(by, now)
        made = make_tombstone(granted, self._namespace)
        patch = {"data": made["data"], "immutable": True}
        return Departure(granted, None, (Patch(CONFIG_MAP, stored, patch),))
