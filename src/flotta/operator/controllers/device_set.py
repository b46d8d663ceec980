"""EdgeDeviceSet: counts of its members and whether its settings can be carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from flotta.operator.controllers.accepted import judge_set
from flotta.operator.controllers.conditions import judged_conditions
from flotta.operator.controllers.context import Context, utc_now
from flotta.operator.controllers.device_views import COUNTS_DELAY, is_ready, members_of, set_name
from flotta.operator.runtime.kind_controller import KindController, Watch, planned, spec_changed
from flotta.operator.runtime.steps import Plan, patch_status
from flotta.resources.conditions import ACCEPTED
from flotta.resources.kinds import EDGE_DEVICE, EDGE_DEVICE_SET
from flotta.resources.objects.device_settings import EdgeDeviceSet, EdgeDeviceSetStatus
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import (
    Key,
    generation_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)


def device_set_controller(context: Context) -> KindController[EdgeDeviceSet]:
    """Return the controller of EdgeDeviceSets."""
    sets, devices = context.caches.of(EDGE_DEVICE_SET), context.caches.of(EDGE_DEVICE)

    async def plan(device_set: EdgeDeviceSet) -> Plan:
        members = members_of(devices.list(namespace_of(device_set)), name_of(device_set))
        return plan_set(device_set, members, utc_now())

    return KindController(
        sets,
        planned(context.client, plan),
        (
            Watch(sets, concerned_by_set),
            Watch(devices, concerned_by_device, COUNTS_DELAY),
        ),
        context.settings.workers,
    )


def concerned_by_set(old: EdgeDeviceSet | None, new: EdgeDeviceSet | None) -> Iterable[Key]:
    """Yield the set itself when a user changed it."""
    device_set = new or old
    if device_set is not None and spec_changed(old, new):
        yield key_of(device_set)


def concerned_by_device(old: EdgeDevice | None, new: EdgeDevice | None) -> set[Key]:
    """Return the sets whose counts a change of a device may affect."""
    if _counted_fields(old) == _counted_fields(new):
        return set()
    sides = (side for side in (old, new) if side)
    return {(namespace_of(side), name) for side in sides if (name := set_name(side))}


def plan_set(device_set: EdgeDeviceSet, members: Sequence[EdgeDevice], now: datetime) -> Plan:
    """Plan for a set with these devices."""
    if is_being_deleted(device_set):
        return Plan()
    states = {ACCEPTED: judge_set(device_set)}
    status: EdgeDeviceSetStatus = {
        **status_of(device_set),
        "members": len(members),
        "ready": sum(map(is_ready, members)),
        "observedGeneration": generation_of(device_set),
        "conditions": judged_conditions(device_set, states, now),
    }
    return Plan(patch_status(EDGE_DEVICE_SET, device_set, status))


def _counted_fields(device: EdgeDevice | None) -> object:
    """Return the fields of a device on which the counts of its set depend."""
    if device is None:
        return None
    deleted = device["metadata"].get("deletionTimestamp")
    return uid_of(device), set_name(device), is_ready(device), deleted
