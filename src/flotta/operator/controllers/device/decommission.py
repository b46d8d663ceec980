"""EdgeDevice that is being deleted: wait for the device, clean up after it, remove the finalizer.

Order: a tombstone (`departure`), the device acknowledges that it disconnected (or the time is over,
or no device exists that could), then its bucket claim is deleted (with bucket and keys), then its
signed request, then our finalizer. Only a claim that the EdgeDevice owns is deleted: one that
somebody else made, or v0.2, stays. A declined request stays, because it keeps the device from
joining again (docs/reference/control-plane.md#decommissioning).
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from flotta.fleet.joining import is_declined
from flotta.operator.controllers.device.departure import may_have_device
from flotta.operator.runtime.steps import (
    Delete,
    Plan,
    RecordEvent,
    Step,
    patch_metadata,
    patch_status,
)
from flotta.protocol.reasons.conditions import WIPE_HELD
from flotta.protocol.reasons.events import CLAIM_REMAINS, DECOMMISSION_TIMEOUT
from flotta.resources.conditions import (
    DISCONNECTED,
    WIPE_ALLOWED,
    find_condition,
    with_condition,
)
from flotta.resources.finalizers import DEVICE_FINALIZER, LEGACY_DEVICE_FINALIZERS
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, SIGNED_REQUEST
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus, SignedRequest
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import (
    conditions_of,
    finalizers_of,
    generation_of,
    is_owned_by,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from flotta.rfc3339 import parse_required_time

CLAIM_RECHECK = (45.0, 60.0)  # seconds until a claim that is being deleted is checked again
# Seconds since its deletion between which a claim that still exists is reported.
CLAIM_REPORT_FROM, CLAIM_REPORT_BEFORE = 180.0, 240.0
HELD_RECHECK = 60.0  # seconds until a held device is looked at again: its namespace may end
OWN_FINALIZERS = LEGACY_DEVICE_FINALIZERS | {DEVICE_FINALIZER}


def plan_decommission(
    device: EdgeDevice,
    claim: BucketClaim | None,
    request: SignedRequest | None,
    now: datetime,
    timeout: float,
    granted: datetime | None = None,
) -> Plan:
    """Plan for a device with a deletionTimestamp that may be told to wipe itself.

    `timeout` is in seconds from that moment, or from `granted` when the wipe was held before.
    """
    finalizers = finalizers_of(device)
    others = [item for item in finalizers if item not in OWN_FINALIZERS]
    if others == finalizers:
        return Plan()
    awaited = _is_awaited(device, request)
    wait = _time_left(device, now, timeout, granted) if awaited else 0.0
    if wait > 0:
        return Plan(requeue_after=wait)
    if claim is not None and is_owned_by(claim, device):
        return _plan_claim_removal(device, claim, now)
    steps: list[Step] = []
    if awaited:
        steps.append(_report_timeout(device, timeout))
    if request is not None and _is_removable(request, device):
        steps.append(Delete(SIGNED_REQUEST, request))
    steps += patch_metadata(EDGE_DEVICE, device, {"finalizers": others})
    return Plan(tuple(steps))


def plan_release(device: EdgeDevice) -> Plan:
    """Plan for a device whose namespace or kind is being deleted: let it go, wipe nothing."""
    finalizers = finalizers_of(device)
    others = [item for item in finalizers if item not in OWN_FINALIZERS]
    if others == finalizers:
        return Plan()
    return Plan(patch_metadata(EDGE_DEVICE, device, {"finalizers": others}))


def plan_hold(device: EdgeDevice, steps: tuple[Step, ...], now: datetime) -> Plan:
    """Plan for a device whose wipe is held: it keeps running until an administrator's word.

    `steps` write the tombstone.
    """
    message = (
        f"Too many devices were deleted within an hour, so {name_of(device)} is not wiped yet and "
        f"keeps running. To wipe it: flotta decommission {name_of(device)} "
        f"-n {namespace_of(device)}"
    )
    conditions = with_condition(
        conditions_of(device),
        WIPE_ALLOWED,
        "False",
        WIPE_HELD,
        message,
        now,
        generation_of(device),
    )
    status: EdgeDeviceStatus = {**status_of(device), "conditions": conditions}
    writes: tuple[Step, ...] = patch_status(EDGE_DEVICE, device, status)
    if find_condition(conditions_of(device), WIPE_ALLOWED) is None:
        writes += (RecordEvent(EDGE_DEVICE, device, "Warning", WIPE_HELD, message),)
    return Plan(steps + writes, requeue_after=HELD_RECHECK)


def _plan_claim_removal(device: EdgeDevice, claim: BucketClaim, now: datetime) -> Plan:
    recheck = random.uniform(*CLAIM_RECHECK)  # noqa: S311 - spreads load, guards nothing
    asked = claim["metadata"].get("deletionTimestamp")
    if not asked:
        return Plan((Delete(BUCKET_CLAIM, claim),), requeue_after=recheck)
    age = (now - parse_required_time(asked)).total_seconds()
    if not CLAIM_REPORT_FROM <= age < CLAIM_REPORT_BEFORE:
        return Plan(requeue_after=recheck)
    message = f"ObjectBucketClaim {name_of(claim)} is still being deleted; its Events say why"
    return Plan(
        (RecordEvent(EDGE_DEVICE, device, "Warning", CLAIM_REMAINS, message),),
        requeue_after=recheck,
    )


def _is_removable(request: SignedRequest, device: EdgeDevice) -> bool:
    """Tell whether the request led to this device and does not keep it out."""
    brought = spec_of(request).get("targetNamespace") == namespace_of(device)
    return brought and not is_declined(request)


def is_disconnected(device: EdgeDevice) -> bool:
    """Tell whether the device acknowledged its removal."""
    condition = find_condition(conditions_of(device), DISCONNECTED)
    return condition is not None and condition.get("status") == "True"


def _is_awaited(device: EdgeDevice, request: SignedRequest | None) -> bool:
    """Tell whether a device may exist that has yet to acknowledge its removal."""
    return not is_disconnected(device) and may_have_device(device, request)


def _time_left(
    device: EdgeDevice, now: datetime, timeout: float, granted: datetime | None
) -> float:
    """Return the seconds that the device has left to acknowledge."""
    deleted = parse_required_time(device["metadata"]["deletionTimestamp"])
    asked = max(deleted, granted or deleted)
    return max(0.0, (asked + timedelta(seconds=timeout) - now).total_seconds())


def _report_timeout(device: EdgeDevice, timeout: float) -> RecordEvent:
    message = (
        f"The device did not acknowledge its removal within {timeout:.0f} seconds; "
        "it wipes itself when it returns"
    )
    return RecordEvent(EDGE_DEVICE, device, "Warning", DECOMMISSION_TIMEOUT, message)
