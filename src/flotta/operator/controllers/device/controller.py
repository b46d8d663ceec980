"""The controller of EdgeDevices: which changes concern a device, and the inputs of its plan."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flotta.fleet.claim_ownership import is_claim_of
from flotta.fleet.former_labels import settles_at
from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.fleet.selection import matches
from flotta.fleet.tombstones import confirmed_by
from flotta.operator.controllers.context import Context, utc_now
from flotta.operator.controllers.device.decommission import (
    plan_decommission,
    plan_hold,
    plan_release,
)
from flotta.operator.controllers.device.departure import Departures
from flotta.operator.controllers.device.membership import is_listed
from flotta.operator.controllers.device.plan import plan_device
from flotta.operator.controllers.device_views import members_of, set_name, workload_statuses
from flotta.operator.runtime.kind_controller import KindController, Watch, planned, spec_changed
from flotta.operator.runtime.steps import Plan
from flotta.resources.cache import Cache
from flotta.resources.conditions import DISCONNECTED
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    SIGNED_REQUEST,
)
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import (
    Key,
    conditions_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)


def device_controller(context: Context) -> KindController[EdgeDevice]:
    """Return the controller of EdgeDevices."""
    caches = context.caches
    devices = caches.of(EDGE_DEVICE)
    departures = Departures(context)

    async def plan(device: EdgeDevice) -> Plan:
        if is_being_deleted(device):
            return await _plan_leaving(context, departures, device)
        return _plan_staying(context, device)

    return KindController(
        devices,
        planned(context.client, plan),
        (
            Watch(devices, concerned_by_device),
            Watch(caches.of(EDGE_WORKLOAD), partial(concerned_by_workload, devices)),
            Watch(caches.of(EDGE_DEVICE_SET), partial(concerned_by_set, devices)),
            Watch(caches.of(BUCKET_CLAIM), concerned_by_claim),
            departures,
        ),
        context.settings.device_workers,
        departures.settle,
    )


def concerned_by_device(old: EdgeDevice | None, new: EdgeDevice | None) -> Iterable[Key]:
    """Yield the device itself when its plan may change; heartbeats do not change it."""
    if new is not None and plan_inputs(old) != plan_inputs(new):
        yield key_of(new)


def concerned_by_workload(
    devices: Cache[EdgeDevice], old: EdgeWorkload | None, new: EdgeWorkload | None
) -> Iterable[Key]:
    """Yield the devices whose membership a change of a workload may affect."""
    workload = new or old
    if workload is None or _target_fields(old) == _target_fields(new):
        return
    for device in devices.list(namespace_of(workload)):
        belongs = new is not None and matches(new, device)
        if belongs != is_listed(device, name_of(workload)) or old is None:
            yield key_of(device)


def concerned_by_set(
    devices: Cache[EdgeDevice], old: EdgeDeviceSet | None, new: EdgeDeviceSet | None
) -> Iterable[Key]:
    """Yield the members of a set that a user changed."""
    device_set = new or old
    if device_set is not None and spec_changed(old, new):
        for device in members_of(devices.list(namespace_of(device_set)), name_of(device_set)):
            yield key_of(device)


def concerned_by_claim(old: BucketClaim | None, new: BucketClaim | None) -> Iterable[Key]:
    """Yield the device of the claim's name."""
    claim = new or old
    if claim is not None:
        yield key_of(claim)


def plan_inputs(device: EdgeDevice | None) -> object:
    """Return the fields of a device on which its plan depends; heartbeats leave them equal."""
    if device is None:
        return None
    metadata = device["metadata"]
    return (
        uid_of(device),
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        metadata.get("labels"),
        settles_at(device),
        metadata.get("finalizers"),
        confirmed_by(device),
        [entry["name"] for entry in workload_statuses(device)],
        status_of(device).get("dataObc"),
        [item["status"] for item in conditions_of(device) if item["type"] == DISCONNECTED],
    )


def _target_fields(workload: EdgeWorkload | None) -> object:
    """Return the fields of a workload that decide where it runs."""
    if workload is None:
        return None
    spec = workload.get("spec") or {}
    deleted = workload["metadata"].get("deletionTimestamp")
    return uid_of(workload), spec.get("device"), spec.get("deviceSelector"), deleted


def _plan_staying(context: Context, device: EdgeDevice) -> Plan:
    caches, namespace = context.caches, namespace_of(device)
    member_of = set_name(device)
    return plan_device(
        device,
        caches.of(EDGE_WORKLOAD).list(namespace),
        caches.of(EDGE_DEVICE_SET).get(namespace, member_of) if member_of else None,
        _find_claim(caches.of(BUCKET_CLAIM), device),
        context.settings,
        utc_now(),
    )


def _find_claim(claims: Cache[BucketClaim], device: EdgeDevice) -> BucketClaim | None:
    """Return the recorded claim if the device may use it, else the claim of the device's name."""
    namespace, name = key_of(device)
    recorded = claims.get(namespace, status_of(device).get("dataObc") or name)
    if recorded is not None and is_claim_of(recorded, device):
        return recorded
    return claims.get(namespace, name)


async def _plan_leaving(context: Context, departures: Departures, device: EdgeDevice) -> Plan:
    # Caches may be stale; what is removed here must be what exists.
    name, now = name_of(device), utc_now()
    request = await context.client.get_or_none(SIGNED_REQUEST, name, REQUEST_NAMESPACE)
    departure = await departures.decide(device, request, now)
    if departure.ending:
        return plan_release(device)
    if departure.tombstone is not None and not departure.tombstone.granted:
        return plan_hold(device, departure.steps, now)
    claim = await context.client.get_or_none(BUCKET_CLAIM, name, namespace_of(device))
    since = departure.tombstone.moment if departure.tombstone else None
    timeout = context.settings.decommission_timeout
    plan = plan_decommission(device, claim, request, now, timeout, since)
    return Plan(departure.steps + plan.steps, plan.requeue_after)
