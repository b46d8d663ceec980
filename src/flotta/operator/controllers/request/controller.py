"""EdgeDeviceSignedRequest: approval, and the EdgeDevice that follows from it.

An approved request creates one EdgeDevice, once; one that a user made before counts as created.
When that EdgeDevice no longer exists, the request is deleted too; if it were kept, it would bring
the device back, or keep it from enrolling again. A request that waited too long for its approval,
or whose device never registered, is deleted as well: the device enrols again if it still wants to
join. A declined request stays, because it keeps the device out
(docs/reference/control-plane.md#joining).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from flotta.fleet.joining import REQUEST_NAMESPACE, is_approved, is_declined
from flotta.fleet.registration_batches import APPROVAL_WITHHELD_ANNOTATION
from flotta.operator.controllers.context import Context, utc_now
from flotta.operator.controllers.request.creation import make_edge_device
from flotta.operator.controllers.request.decision import (
    decide_by_rule,
    decision_about,
    report_decision,
)
from flotta.operator.controllers.request.expiry import (
    plan_unused_removal,
    plan_waiting_expiry,
    unused_time_left,
)
from flotta.operator.runtime.kind_controller import KindController, Watch, itself, planned
from flotta.operator.runtime.steps import (
    Create,
    Delete,
    Plan,
    patch_spec,
    patch_status,
)
from flotta.printable_text import printable, printable_lines
from flotta.protocol.reasons import conditions as reasons
from flotta.protocol.reasons.reason import Code
from flotta.resources.client import ApiError, NotFound
from flotta.resources.conditions import find_condition, holds
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST
from flotta.resources.objects.devices import (
    Decision,
    EdgeDevice,
    SignedRequest,
    SignedRequestSpec,
    SignedRequestStatus,
)
from flotta.resources.objects.meta import Condition
from flotta.resources.views import (
    Key,
    annotations_of,
    conditions_of,
    generation_of,
    is_being_deleted,
    key_of,
    name_of,
    spec_of,
    status_of,
)
from flotta.rfc3339 import format_time

PENDING, APPROVED, DECLINED = "pending", "approved", "declined"  # phases, and types of conditions
WAITING = "Waiting for an administrator's approval"


def request_controller(context: Context) -> KindController[SignedRequest]:
    """Return the controller of EdgeDeviceSignedRequests."""
    requests, devices = context.caches.of(SIGNED_REQUEST), context.caches.of(EDGE_DEVICE)
    auto, expiry = context.settings.auto_approval, context.settings.request_expiry

    async def read_device(request: SignedRequest) -> EdgeDevice | None:
        namespace, name = spec_of(request).get("targetNamespace", ""), name_of(request)
        device = devices.get(namespace, name)
        if device is None and is_approved(request):
            # A stale cache must not make a new request look like one whose device was deleted.
            return await context.client.get_or_none(EDGE_DEVICE, name, namespace)
        return device

    async def plan(request: SignedRequest) -> Plan:
        device = await read_device(request)
        if device is not None and unused_time_left(request, device, utc_now(), expiry) == 0.0:
            # It may have registered a moment ago.
            device = await context.client.get_or_none(EDGE_DEVICE, *reversed(key_of(device)))
        return plan_request(request, device, utc_now(), auto=auto, expiry=expiry)

    return KindController(
        requests,
        planned(context.client, plan),
        (Watch(requests, itself), Watch(devices, concerned_by_device)),
        context.settings.workers,
    )


def concerned_by_device(old: EdgeDevice | None, new: EdgeDevice | None) -> Iterable[Key]:
    """Yield the request of a device that was created or deleted."""
    device = new or old
    if device is not None and (old is None or new is None):
        yield REQUEST_NAMESPACE, name_of(device)


def plan_request(
    request: SignedRequest,
    device: EdgeDevice | None,
    now: datetime,
    *,
    auto: bool,
    expiry: float = 0.0,
) -> Plan:
    """Plan for a request and the EdgeDevice of its name in its target namespace, if it exists.

    `expiry` is in seconds from when the request began to wait, or was approved without a device
    that registers; 0 lets it wait forever.
    """
    if is_being_deleted(request):
        return Plan()
    if is_approved(request):
        return _plan_approved(request, device, now, expiry)
    if is_declined(request):
        return _plan_decided(
            request, DECLINED, reasons.DECLINED, "An administrator declined the device", now
        )
    decision = decide_by_rule(request, now, auto=auto)
    if decision is not None:
        return _plan_approval(request, decision, now)
    reason, message = _describe_waiting(request)
    steps = plan_status(request, PENDING, reason, message, now).steps
    return plan_waiting_expiry(request, steps, now, expiry)


def plan_status(
    request: SignedRequest,
    phase: str,
    reason: Code,
    message: str,
    now: datetime,
    decision: Decision | None = None,
) -> Plan:
    """Plan to write phase, conditions and decision; no step when they are up to date."""
    generation = generation_of(request)
    conditions = _make_conditions(conditions_of(request), phase, reason, message, now)
    new: SignedRequestStatus = {
        **status_of(request),
        "phase": phase,
        "observedGeneration": generation,
        "conditions": [{**item, "observedGeneration": generation} for item in conditions],
    }
    new.pop("decision", None)
    if decision is not None:
        new["decision"] = decision
    return Plan(patch_status(SIGNED_REQUEST, request, new))


def plan_refusal(request: SignedRequest, message: str, now: datetime) -> Plan:
    """Plan to report in the status of the request that the API refused the EdgeDevice."""
    return _plan_decided(
        request,
        PENDING,
        reasons.CREATION_REFUSED,
        f"The EdgeDevice cannot be created: {message}",
        now,
    )


def was_created(request: SignedRequest) -> bool:
    """Tell whether the EdgeDevice was created before."""
    return holds(conditions_of(request), APPROVED)


def _describe_waiting(request: SignedRequest) -> tuple[Code, str]:
    """Return the reason why a request waits, and a sentence with what to do next."""
    withheld = annotations_of(request).get(APPROVAL_WITHHELD_ANNOTATION)
    if not withheld:
        return reasons.WAITING_FOR_APPROVAL, WAITING
    step = f"to let the device join: flotta approve {name_of(request)}"
    return reasons.APPROVAL_WITHHELD, f"{printable(withheld)}; {step}"


def _plan_approval(request: SignedRequest, decision: Decision, now: datetime) -> Plan:
    """Plan to approve by a rule. The record comes first: who set the field alone says little."""
    message = f"Approved by {decision['by']}; the EdgeDevice is created next"
    record = plan_status(request, PENDING, reasons.WAITING_FOR_APPROVAL, message, now, decision)
    approved: SignedRequestSpec = {**spec_of(request), "approved": True}
    writes = (*record.steps, *patch_spec(SIGNED_REQUEST, request, approved))
    return Plan((*writes, *report_decision(request, decision)))


def _plan_decided(
    request: SignedRequest, phase: str, reason: Code, message: str, now: datetime
) -> Plan:
    """Plan the status of an approved or declined request, with its decision."""
    decision = decision_about(request, now)
    plan = plan_status(request, phase, reason, message, now, decision)
    return Plan((*plan.steps, *report_decision(request, decision)))


def _plan_approved(
    request: SignedRequest, device: EdgeDevice | None, now: datetime, expiry: float
) -> Plan:
    if device is not None:
        left = unused_time_left(request, device, now, expiry)
        if left == 0.0:
            return plan_unused_removal(request, device, expiry)
        where = f"{request['spec']['targetNamespace']}/{name_of(request)}"
        plan = _plan_decided(
            request, APPROVED, reasons.DEVICE_CREATED, f"EdgeDevice {where} was created", now
        )
        return Plan(plan.steps, requeue_after=left)
    if was_created(request):
        return Plan((Delete(SIGNED_REQUEST, request),))

    def on_refusal(error: ApiError) -> Plan:
        return plan_refusal(request, _describe_refusal(error), now)

    creation = Create(EDGE_DEVICE, make_edge_device(request, now), on_refusal)
    # Again at once: the next plan finds the device and writes that it was created.
    return Plan((creation,), requeue_after=0.0)


def _describe_refusal(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error.message}; create the namespace or change spec.targetNamespace"
    return error.message


def _make_conditions(
    old: Sequence[Condition], phase: str, reason: Code, message: str, now: datetime
) -> list[Condition]:
    """Return a condition of each type; its time moves only with its status."""
    conditions = []
    for type_ in (PENDING, APPROVED, DECLINED):
        status = "True" if type_ == phase else "False"
        condition: Condition = {"type": type_, "status": status}
        if type_ == phase:
            condition["reason"] = reason
            condition["message"] = printable_lines(message)
        before = find_condition(old, type_)
        moved = before is None or before.get("status") != status
        since = None if moved or before is None else before.get("lastTransitionTime")
        condition["lastTransitionTime"] = since or format_time(now)
        conditions.append(condition)
    return conditions
