"""EdgeDevice that is not being deleted: membership, finalizer and bucket claim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flotta.fleet.claim_ownership import is_claim_of
from flotta.operator.controllers.accepted import judge_device
from flotta.operator.controllers.conditions import judged_conditions
from flotta.operator.controllers.device import membership
from flotta.operator.controllers.device.bucket_claims import (
    bound_claim_name,
    judge_storage,
    make_bucket_claim,
    names_external,
    provisioner_time_left,
    wants_claim,
)
from flotta.operator.controllers.device.quarantine import judge_quarantine, plan_event
from flotta.operator.controllers.device_views import set_name, workload_statuses
from flotta.operator.runtime.steps import Create, Plan, Step, patch_metadata, patch_status
from flotta.operator.settings import Settings
from flotta.resources.changes import MetadataChange
from flotta.resources.conditions import ACCEPTED, QUARANTINED, STORAGE_READY, ConditionState
from flotta.resources.finalizers import DEVICE_FINALIZER, LEGACY_DEVICE_FINALIZERS
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.objects.meta import Condition
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import (
    finalizers_of,
    labels_of,
    status_of,
)

LABELS_DELAY = 2.0  # seconds until the labels are planned if no change of the status is seen


def plan_device(
    device: EdgeDevice,
    workloads: Sequence[EdgeWorkload],
    device_set: EdgeDeviceSet | None,
    claim: BucketClaim | None,
    settings: Settings,
    now: datetime,
) -> Plan:
    """Plan for a device with the workloads of its namespace, its set and its bucket claim.

    The plan has at most one write of the object, one of its status and one new claim. Labels wait
    for the next plan when the status changes too: a workload for many devices is then in the status
    of all of them before the first label is written.
    """
    workloads = list(workloads)
    kept = membership.kept_workloads(device, workloads)
    names = [*membership.wanted_workloads(device, workloads), *kept]
    wanted = wants_claim(device, device_set, auto_create=settings.bucket_auto_create)
    states: dict[str, ConditionState | None] = {
        ACCEPTED: judge_device(device, set_name(device), device_set),
        QUARANTINED: judge_quarantine(device, device_set, claim, workloads),
    }
    own = claim is not None and is_claim_of(claim, device)
    wait = provisioner_time_left(claim, now) if wanted and own else 0.0
    if not wait:
        external = names_external(device, device_set)
        states[STORAGE_READY] = judge_storage(device, claim, wanted=wanted, external=external)
    steps: list[Step] = []
    metadata = _change_metadata(device, names)
    status = _new_status(device, names, claim, judged_conditions(device, states, now))
    writes = patch_status(EDGE_DEVICE, device, status)
    later = bool(writes) and "finalizers" not in metadata
    if not later:
        steps += patch_metadata(EDGE_DEVICE, device, metadata)
    steps += writes
    steps += plan_event(device, states[QUARANTINED])
    if claim is None and wanted:
        steps.append(Create(BUCKET_CLAIM, make_bucket_claim(device, settings)))
    return Plan(tuple(steps), requeue_after=(LABELS_DELAY if metadata and later else wait) or None)


def _change_metadata(device: EdgeDevice, names: Sequence[str]) -> MetadataChange:
    change: MetadataChange = {}
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


def _new_status(
    device: EdgeDevice,
    names: Sequence[str],
    claim: BucketClaim | None,
    conditions: list[Condition],
) -> EdgeDeviceStatus:
    status: EdgeDeviceStatus = {**status_of(device), "conditions": conditions}
    workloads = membership.update_statuses(workload_statuses(device), names)
    if workloads is not None:
        status["workloads"] = workloads
    claim_name = bound_claim_name(device, claim)
    if claim_name:
        status["dataObc"] = claim_name
    elif status.get("dataObc"):
        del status["dataObc"]
    return status
