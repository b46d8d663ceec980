"""What EdgeWorkload and EdgeDeviceSet say about themselves: counts and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ..fleet.conditions import find, with_condition
from ..fleet.selection import devices_for
from ..resources.kinds import EDGE_DEVICE_SET, EDGE_WORKLOAD, Kind
from .membership import listed
from .names import LEGACY_WORKLOAD_FINALIZERS
from .steps import Patch, Plan
from .verdicts import ACCEPTED, Verdict, set_verdict, workload_verdict

Object = dict[str, Any]
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
    verdicts = {ACCEPTED: workload_verdict(workload), "Ready": _ready(**counts)}
    return _status_plan(EDGE_WORKLOAD, workload, counts, verdicts, now)


def plan_set(device_set: Object, members: Sequence[Object], now: datetime) -> Plan:
    """Plan for a set with these devices."""
    if device_set["metadata"].get("deletionTimestamp"):
        return Plan()
    verdicts = {ACCEPTED: set_verdict(device_set)}
    counts = {"members": len(members), "ready": sum(map(is_ready, members))}
    return _status_plan(EDGE_DEVICE_SET, device_set, counts, verdicts, now)


def is_ready(device: Object) -> bool:
    """Say whether the device was heard of in time and is well."""
    condition = find((device.get("status") or {}).get("conditions"), "Ready")
    return condition is not None and condition.get("status") == "True"


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
        conditions = with_condition(conditions, type_, *verdict, now, generation)
    new = {**counts, "observedGeneration": generation, "conditions": conditions}
    change = {key: value for key, value in new.items() if old.get(key) != value}
    return Plan((Patch(kind, resource, {"status": change}, "status"),) if change else ())


def _ready(matched: int, running: int, failed: int) -> Verdict:
    if not matched:
        return "False", "NoDevice", "No device is selected"
    if running == matched:
        return "True", "Running", f"Running on {_devices(matched)}"
    if failed:
        return "False", "Failed", f"Failed on {failed} of {_devices(matched)}"
    return "False", "Progressing", f"Running on {running} of {_devices(matched)}"


def _entry(device: Object, workload: str) -> Object:
    return next((entry for entry in listed(device) if entry["name"] == workload), {})


def _phase(entry: Object) -> str:
    return str(entry.get("phase") or "").lower()


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
