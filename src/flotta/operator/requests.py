"""EdgeDeviceSignedRequest: approval, and the EdgeDevice that follows from it.

An approved request makes one EdgeDevice, once. When that device is gone later, the request goes
too; were it kept, it would bring the device back, or keep it from enrolling again. A request that
waited too long for its approval goes as well: a device that still wants to join asks again. A
declined request stays, because it is what keeps the device out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flotta.fleet.joining import UNREGISTERED_LABEL, is_approved, is_declined
from flotta.operator.steps import Create, Delete, Patch, Plan, RecordEvent
from flotta.resources.conditions import find_condition
from flotta.resources.finalizers import DEVICE_FINALIZER
from flotta.resources.kinds import EDGE_DEVICE, MEMBER_LABEL, SIGNED_REQUEST
from flotta.rfc3339 import format_time, parse_required_time

Object = dict[str, Any]
PENDING, APPROVED, DECLINED = "pending", "approved", "declined"
WAITING = "Waiting for an administrator's approval"


def plan_request(
    request: Object, device: Object | None, now: datetime, *, auto: bool, expiry: float = 0.0
) -> Plan:
    """Plan for a request and the EdgeDevice of its name in its target namespace, if there is one.

    `expiry` is in seconds from when the request began to wait; 0 lets it wait for ever.
    """
    metadata = request["metadata"]
    if metadata.get("deletionTimestamp"):
        return Plan()
    if is_approved(request):
        return _plan_approved(request, device, now)
    if is_declined(request):
        return plan_status(request, DECLINED, "An administrator declined the device", now)
    if auto:
        return Plan((Patch(SIGNED_REQUEST, request, {"spec": {"approved": True}}),))
    return _plan_waiting(request, now, expiry)


def plan_status(request: Object, phase: str, message: str, now: datetime) -> Plan:
    """Plan to write phase and conditions of the request; no step when they are there already."""
    old = request.get("status") or {}
    generation = request["metadata"].get("generation", 0)
    conditions = _make_conditions(old.get("conditions"), phase, message, now)
    new = {
        "phase": phase,
        "observedGeneration": generation,
        "conditions": [{**one, "observedGeneration": generation} for one in conditions],
    }
    if old == new:
        return Plan()
    return Plan((Patch(SIGNED_REQUEST, request, {"status": new}, "status"),))


def plan_refusal(request: Object, message: str, now: datetime) -> Plan:
    """Plan after the API refused to create the EdgeDevice: say so in its status."""
    return plan_status(request, PENDING, f"The EdgeDevice cannot be created: {message}", now)


def make_edge_device(request: Object, now: datetime) -> Object:
    """Return the EdgeDevice of an approved request, not registered yet."""
    labels = {UNREGISTERED_LABEL: "true"}
    if request["spec"].get("targetSet"):
        labels[MEMBER_LABEL] = request["spec"]["targetSet"]
    return {
        "apiVersion": EDGE_DEVICE.api_version,
        "kind": EDGE_DEVICE.kind,
        "metadata": {
            "name": request["metadata"]["name"],
            "namespace": request["spec"]["targetNamespace"],
            "labels": labels,
            "finalizers": [DEVICE_FINALIZER],
        },
        "spec": {"requestTime": format_time(now)},
    }


def was_created(request: Object) -> bool:
    """Tell whether the EdgeDevice was made already (by us, or by v0.2 with its lower-case "true")."""
    approved = find_condition((request.get("status") or {}).get("conditions"), APPROVED)
    return approved is not None and str(approved.get("status")).lower() == "true"


def _plan_waiting(request: Object, now: datetime, expiry: float) -> Plan:
    plan = plan_status(request, PENDING, WAITING, now)
    if not expiry:
        return plan
    left = (_waiting_since(request, now) + timedelta(seconds=expiry) - now).total_seconds()
    if left > 0:
        return Plan(plan.steps, requeue_after=left)
    message = f"Nobody approved the device within {expiry:.0f} seconds; it may ask again"
    report = RecordEvent(SIGNED_REQUEST, request, "Normal", "Expired", message)
    return Plan((report, Delete(SIGNED_REQUEST, request)))


def _waiting_since(request: Object, now: datetime) -> datetime:
    """Return when the request was made, or taken back from another state."""
    pending = find_condition((request.get("status") or {}).get("conditions"), PENDING)
    if pending is None:
        since = request["metadata"].get("creationTimestamp")
    elif str(pending.get("status")).lower() == "true":
        since = pending.get("lastTransitionTime")
    else:
        since = None
    return parse_required_time(since) if since else now


def _plan_approved(request: Object, device: Object | None, now: datetime) -> Plan:
    if device is not None:
        where = f"{request['spec']['targetNamespace']}/{request['metadata']['name']}"
        return plan_status(request, APPROVED, f"EdgeDevice {where} was created", now)
    if was_created(request):
        return Plan((Delete(SIGNED_REQUEST, request),))
    return Plan((Create(EDGE_DEVICE, make_edge_device(request, now)),), requeue_after=0.0)


def _make_conditions(
    old: list[Object] | None, phase: str, message: str, now: datetime
) -> list[Object]:
    """Return one condition of each type; the time of one moves only with its status."""
    conditions = []
    for type_ in (PENDING, APPROVED, DECLINED):
        status = "True" if type_ == phase else "False"
        before = find_condition(old, type_) or {}
        moved = before.get("status") != status
        condition = {"type": type_, "status": status}
        if type_ == phase:
            condition["message"] = message
        since = None if moved else before.get("lastTransitionTime")
        condition["lastTransitionTime"] = since or format_time(now)
        conditions.append(condition)
    return conditions
