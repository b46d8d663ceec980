"""EdgeDevice: membership, finalizer and bucket claim of a device that stays."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flotta.operator import membership
from flotta.operator.accepted import judge_device
from flotta.operator.claims import (
    bound_claim_name,
    judge_storage,
    make_bucket_claim,
    provisioner_time_left,
    wants_claim,
)
from flotta.operator.settings import Settings
from flotta.operator.steps import Create, Patch, Plan, Step
from flotta.resources.conditions import ACCEPTED, STORAGE_READY, ConditionState, with_condition
from flotta.resources.finalizers import DEVICE_FINALIZER, LEGACY_DEVICE_FINALIZERS
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, MEMBER_LABEL

Object = dict[str, Any]
LABELS_DELAY = 2.0  # seconds until the labels are planned, should no event of the status come


def plan_device(
    device: Object,
    workloads: Iterable[Object],
    device_set: Object | None,
    claim: Object | None,
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
    status = _change_status(device, names, claim) | _change_conditions(device, states, now)
    later = bool(status) and "finalizers" not in metadata
    if metadata and not later:
        steps.append(Patch(EDGE_DEVICE, device, {"metadata": metadata}))
    if status:
        steps.append(Patch(EDGE_DEVICE, device, {"status": status}, "status"))
    if claim is None and wanted:
        steps.append(Create(BUCKET_CLAIM, make_bucket_claim(device, settings)))
    return Plan(tuple(steps), requeue_after=LABELS_DELAY if metadata and later else wait or None)


def set_name(device: Object) -> str | None:
    """Return the name of the EdgeDeviceSet that the device is labelled with."""
    name: str | None = (device["metadata"].get("labels") or {}).get(MEMBER_LABEL)
    return name or None


def _change_metadata(device: Object, names: list[str]) -> Object:
    metadata = device["metadata"]
    change: Object = {}
    labels = membership.change_labels(metadata.get("labels") or {}, names)
    if labels:
        change["labels"] = labels
    current = metadata.get("finalizers") or []
    finalizers = [item for item in current if item not in LEGACY_DEVICE_FINALIZERS]
    if DEVICE_FINALIZER not in finalizers:
        finalizers.append(DEVICE_FINALIZER)
    if finalizers != current:
        change["finalizers"] = finalizers
    return change


def _change_conditions(
    device: Object, states: dict[str, ConditionState | None], now: datetime
) -> Object:
    old = (device.get("status") or {}).get("conditions") or []
    generation = device["metadata"].get("generation", 0)
    new = [condition for condition in old if states.get(condition["type"], condition)]
    for type_, state in states.items():
        if state:
            new = with_condition(new, type_, *state, now, generation)
    return {} if new == old else {"conditions": new}


def _change_status(device: Object, names: list[str], claim: Object | None) -> Object:
    change: Object = {}
    statuses = membership.update_statuses(membership.workload_statuses(device), names)
    if statuses is not None:
        change["workloads"] = statuses
    claim_name = bound_claim_name(device, claim)
    if claim_name != ((device.get("status") or {}).get("dataObc") or None):
        change["dataObc"] = claim_name
    return change
