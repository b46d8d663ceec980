"""What EdgeWorkload and EdgeDeviceSet say about themselves: counts and conditions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..fleet.conditions import Condition, Truth, find, with_condition
from ..fleet.selection import devices_for, selector_problem
from ..resources.kinds import EDGE_DEVICE_SET, EDGE_WORKLOAD, Kind
from .membership import listed
from .names import LEGACY_WORKLOAD_FINALIZERS, workload_label
from .steps import Patch, Plan

Object = dict[str, Any]
Verdict = tuple[Truth, str, str]  # status, reason, message
_FAILED_PHASES = frozenset({"failed", "error", "crashed", "exited", "stopped", "degraded", "dead"})
_WAITING_PHASES = frozenset({"deploying", "created", ""})


def plan_workload(workload: Object, devices: Iterable[Object], now: datetime) -> Plan:
    """Plan for a workload and the devices of its namespace."""
    if workload["metadata"].get("deletionTimestamp"):
        return _let_go(workload)
    chosen = devices_for(workload, devices)
    reports = [_entry(device, workload["metadata"]["name"]) for device in chosen]
    counts = {
        "matched": len(chosen),
        "running": sum(_phase(report) == "running" for report in reports),
        "failed": sum(is_failed(report) for report in reports),
    }
    verdicts = {"Accepted": _accepted(workload), "Ready": _ready(**counts)}
    return _status_plan(EDGE_WORKLOAD, workload, counts, verdicts, now)


def plan_set(device_set: Object, members: int, now: datetime) -> Plan:
    """Plan for a set with this many members."""
    if device_set["metadata"].get("deletionTimestamp"):
        return Plan()
    verdicts = {"Accepted": _storage_verdict(device_set)}
    return _status_plan(EDGE_DEVICE_SET, device_set, {"members": members}, verdicts, now)


def is_failed(entry: Object) -> bool:
    """Say whether a device's entry tells of a failure (phase, or a reason while it still waits)."""
    phase = _phase(entry)
    return phase in _FAILED_PHASES or (phase in _WAITING_PHASES and bool(entry.get("reason")))


def _let_go(workload: Object) -> Plan:
    finalizers = workload["metadata"].get("finalizers") or []
    kept = [item for item in finalizers if item not in LEGACY_WORKLOAD_FINALIZERS]
    if kept == finalizers:
        return Plan()
    return Plan((Patch(EDGE_WORKLOAD, workload, {"metadata": {"finalizers": kept}}),))


def _status_plan(
    kind: Kind,
    resource: Object,
    counts: dict[str, int],
    verdicts: dict[str, Verdict],
    now: datetime,
) -> Plan:
    old = resource.get("status") or {}
    generation = resource["metadata"].get("generation", 0)
    conditions = old.get("conditions") or []
    for type_, verdict in verdicts.items():
        conditions = _judged(conditions, type_, verdict, generation, now)
    new = {**counts, "observedGeneration": generation, "conditions": conditions}
    change = {key: value for key, value in new.items() if old.get(key) != value}
    return Plan((Patch(kind, resource, {"status": change}, "status"),) if change else ())


def _judged(
    conditions: list[Condition], type_: str, verdict: Verdict, generation: int, now: datetime
) -> list[Condition]:
    changed = with_condition(conditions, type_, *verdict, now)
    ours = find(changed, type_)
    return [{**one, "observedGeneration": generation} if one is ours else one for one in changed]


def _accepted(workload: Object) -> Verdict:
    problem = selector_problem(workload)
    if problem:
        return "False", "SelectorUnusable", problem
    if workload_label(workload["metadata"]["name"]) is None:
        text = "The name is no label value (over 63 characters): devices get no workload/ label"
        return "True", "NoLabel", text
    return "True", "Valid", "The selector is usable"


def _ready(matched: int, running: int, failed: int) -> Verdict:
    if not matched:
        return "False", "NoDevice", "No device is selected"
    if running == matched:
        return "True", "Running", f"Running on {_devices(matched)}"
    if failed:
        return "False", "Failed", f"Failed on {failed} of {_devices(matched)}"
    return "False", "Progressing", f"Running on {running} of {_devices(matched)}"


def _storage_verdict(device_set: Object) -> Verdict:
    s3 = ((device_set.get("spec") or {}).get("storage") or {}).get("s3") or {}
    if s3.get("createOBC") and (s3.get("secretName") or s3.get("configMapName")):
        text = "storage.s3.createOBC excludes secretName and configMapName; the names win"
        return "False", "StorageContradiction", text
    return "True", "Valid", "The settings are in force on all members"


def _entry(device: Object, workload: str) -> Object:
    return next((entry for entry in listed(device) if entry["name"] == workload), {})


def _phase(entry: Object) -> str:
    return str(entry.get("phase") or "").lower()


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
