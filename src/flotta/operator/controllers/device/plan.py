"""EdgeDevice that stays: membership, finalizer and bucket claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from flotta.operator.controllers.accepted import judge_device
from flotta.operator.controllers.device import membership
from flotta.operator.controllers.device.bucket_claims import (
    bound_claim_name,
    judge_storage,
    make_bucket_claim,
    provisioner_time_left,
    wants_claim,
)
from flotta.operator.controllers.device_views import set_name, workload_statuses
from flotta.operator.runtime.steps import Create, Patch, Plan, Step
from flotta.operator.settings import Settings
from flotta.resources.conditions import ACCEPTED, STORAGE_READY, ConditionState, with_condition
from flotta.resources.finalizers import DEVICE_FINALIZER, LEGACY_DEVICE_FINALIZERS
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import MergePatch
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import (
    conditions_of,
    finalizers_of,
    generation_of,
    labels_of,
    status_of,
)

LABELS_DELAY = 2.0  # seconds until the labels are planned, should no event of the status come


def plan_device(
    device: EdgeDevice,
    workloads: Iterable[EdgeWorkload],
    device_set: EdgeDeviceSet | None,
    claim: BucketClaim | None,
    settings: Settings,
    now: datetime,
) -> Plan:
    """Plan for a device with the workloads of its namespace, its set and its bucket claim.

    At most one write of the object, one of its status and one new claim come out. Labels wait for
    the next plan when the status changes too: a workload for many devices is then in the status of
    all of them before the first label is written.
    """
    names = membership.wanted_workloads(device, workloads)
    wanted = wants_claim(device, device_set, auto_create=settings.bucket_auto_create)
    states: dict[str, ConditionState | None] = {
        ACCEPTED: judge_device(device, set_name(device), device_set)
    }
    wait = provisioner_time_left(claim, now) if wanted else 0.0
    if not wait:
        states[STORAGE_READY] = judge_storage(device, claim, wanted=wanted)
    steps: list[Step] = []
    metadata = _change_metadata(device, names)
    status = {
        **_change_status(device, names, claim),
        **_change_conditions(device, states, now),
    }
    later = bool(status) and "finalizers" not in metadata
    if metadata and not later:
        steps.append(Patch(EDGE_DEVICE, device, {"metadata": metadata}))
    if status:
        steps.append(Patch(EDGE_DEVICE, device, {"status": status}, "status"))
    if claim is None and wanted:
        steps.append(Create(BUCKET_CLAIM, make_bucket_claim(device, settings)))
    return Plan(tuple(steps), requeue_after=LABELS_DELAY if metadata and later else wait or None)


def _change_metadata(device: EdgeDevice, names: Sequence[str]) -> MergePatch:
    change: dict[str, object] = {}
    labels = membership.change_labels(labels_of(device), names)
    if labels:
        change["labels"] = labels
    current = finalizers_of(device)
    finalizers = [item for item in current if item not in LEGACY_DEVICE_FINALIZERS]
    if DEVICE_FINALIZER not in finalizers:
        finalizers.append(DEVICE_FINALIZER)
    if finalizers != current:
        change["finalizers"] = finalizers
    return change


def _change_conditions(
    device: EdgeDevice, states: Mapping[str, ConditionState | None], now: datetime
) -> MergePatch:
    """Return the conditions with these states, by type; None removes one."""
    old = list(conditions_of(device))
    new = [condition for condition in old if states.get(condition["type"], condition)]
    for type_, state in states.items():
        if state:
            new = with_condition(new, type_, *state, now, generation_of(device))
    return {} if new == old else {"conditions": new}


def _change_status(
    device: EdgeDevice, names: Sequence[str], claim: BucketClaim | None
) -> MergePatch:
    change: dict[str, object] = {}
    statuses = membership.update_statuses(workload_statuses(device), names)
    if statuses is not None:
        change["workloads"] = statuses
    claim_name = bound_claim_name(device, claim)
    if claim_name != (status_of(device).get("dataObc") or None):
        change["dataObc"] = claim_name
    return change
