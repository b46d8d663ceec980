"""When a request to join ends by itself: nobody approved it, or its device never registered."""

from __future__ import annotations

from datetime import datetime, timedelta

from flotta.fleet.joining import is_registered, was_heard
from flotta.operator.controllers.request.creation import is_as_created
from flotta.operator.runtime.steps import Delete, Plan, RecordEvent, Step
from flotta.protocol.reasons.events import EXPIRED
from flotta.resources.conditions import find_condition, holds
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import conditions_of, is_being_deleted, status_of
from flotta.rfc3339 import parse_required_time


def plan_waiting_expiry(
    request: SignedRequest, steps: tuple[Step, ...], now: datetime, expiry: float
) -> Plan:
    """Plan for a request that waits: `steps` until it ends, `expiry` seconds after it began to.

    0 seconds let it wait forever.
    """
    if not expiry:
        return Plan(steps)
    left = _seconds_left(_waiting_since(request, now), now, expiry)
    if left > 0:
        return Plan(steps, requeue_after=left)
    message = f"The device was not approved within {expiry:.0f} seconds; it may enrol again"
    report = RecordEvent(SIGNED_REQUEST, request, "Normal", EXPIRED, message)
    return Plan((report, Delete(SIGNED_REQUEST, request)))


def unused_time_left(
    request: SignedRequest, device: EdgeDevice, now: datetime, expiry: float
) -> float | None:
    """Return the seconds until an approval ends because its device never registered.

    None if it does not end: without `expiry` (seconds), for every EdgeDevice that a user made or
    changed, or that was ever heard from, and for what an earlier release approved.
    """
    if not expiry or not status_of(request).get("decision") or not _is_unused(request, device):
        return None
    return max(0.0, _seconds_left(_since(request, "approved") or now, now, expiry))


def plan_unused_removal(request: SignedRequest, device: EdgeDevice, expiry: float) -> Plan:
    """Plan to remove an EdgeDevice that was never used; its request is removed after it.

    The EdgeDevice must be as it was read: one that registers meanwhile stays.
    """
    message = (
        f"The device did not register within {expiry:.0f} seconds of its approval, so its "
        "EdgeDevice is removed; it may enrol again"
    )
    report = RecordEvent(SIGNED_REQUEST, request, "Normal", EXPIRED, message)
    return Plan((Delete(EDGE_DEVICE, device, unchanged=True), report))


def _is_unused(request: SignedRequest, device: EdgeDevice) -> bool:
    """Tell whether the EdgeDevice is as the operator created it, and nothing ever came of it."""
    unheard = not is_registered(device) and not was_heard(device)
    return is_as_created(request, device) and unheard and not is_being_deleted(device)


def _waiting_since(request: SignedRequest, now: datetime) -> datetime:
    """Return when the request was created, or became pending again."""
    if find_condition(conditions_of(request), "pending") is not None:
        return _since(request, "pending") or now
    created = request["metadata"].get("creationTimestamp")
    return parse_required_time(created) if created else now


def _since(request: SignedRequest, type_: str) -> datetime | None:
    """Return since when the condition of a type holds, None if it does not."""
    conditions = conditions_of(request)
    condition = find_condition(conditions, type_) if holds(conditions, type_) else None
    since = condition.get("lastTransitionTime") if condition else None
    return parse_required_time(since) if since else None


def _seconds_left(since: datetime, now: datetime, expiry: float) -> float:
    return (since + timedelta(seconds=expiry) - now).total_seconds()
