"""The status of EdgeWorkload and EdgeDeviceSet: counts and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flotta.fleet.presence import ready_status
from flotta.fleet.selection import devices_for
from flotta.fleet.workload_status import describe_status, is_failing, is_running
from flotta.operator.accepted import judge_set, judge_workload
from flotta.operator.membership import workload_statuses
from flotta.operator.steps import Patch, Plan
from flotta.resources.conditions import ACCEPTED, READY, ConditionState, with_condition
from flotta.resources.finalizers import LEGACY_WORKLOAD_FINALIZERS
from flotta.resources.kinds import EDGE_DEVICE_SET, EDGE_WORKLOAD, Kind

Object = dict[str, Any]
MAX_CAUSE = 300  # characters of what the first failing device says


def plan_workload(workload: Object, devices: Iterable[Object], now: datetime) -> Plan:
    """Plan for a workload and the devices of its namespace."""
    if workload["metadata"].get("deletionTimestamp"):
        return _plan_removal(workload)
    counts = WorkloadCounts()
    for device in devices_for(workload, devices):
        counts.add(device, workload["metadata"]["name"])
    states = {ACCEPTED: judge_workload(workload), READY: counts.ready_state()}
    return _plan_status(EDGE_WORKLOAD, workload, counts.in_status(), states, now)


@dataclass
class WorkloadCounts:
    """Counts the devices that are to run a workload by how it does there.

    What a device said last counts while it is heard; one that is not heard is neither running nor
    failed.
    """

    matched: int = 0
    running: int = 0
    failed: int = 0
    silent: int = 0
    first_failure: str = ""

    def add(self, device: Object, workload: str) -> None:
        """Count a device."""
        reported = next(
            (status for status in workload_statuses(device) if status["name"] == workload), {}
        )
        self.matched += 1
        if is_silent(device):
            self.silent += 1
        elif is_running(reported):
            self.running += 1
        elif is_failing(reported):
            self.failed += 1
            cause = f"{device['metadata']['name']}: {describe_status(reported)}"
            self.first_failure = self.first_failure or cause[:MAX_CAUSE]

    def in_status(self) -> dict[str, int]:
        """Return the fields of the status."""
        return {"matched": self.matched, "running": self.running, "failed": self.failed}

    def ready_state(self) -> ConditionState:
        """Return the state of condition Ready."""
        if not self.matched:
            return "False", "NoDevice", "No device is selected"
        of_all = f"of {_plural(self.matched)}"
        rest = f"; not heard of {self.silent}" if self.silent else ""
        if self.failed:
            text = f"Failed on {self.failed} {of_all}{rest}; {self.first_failure}"
            return "False", "Failed", text
        if self.running == self.matched:
            return "True", "Running", f"Running on {_plural(self.matched)}"
        text = f"Running on {self.running} {of_all}{rest}"
        if self.running + self.silent == self.matched:
            return "Unknown", "DevicesSilent", text
        return "False", "Progressing", text


def plan_set(device_set: Object, members: Sequence[Object], now: datetime) -> Plan:
    """Plan for a set with these devices."""
    if device_set["metadata"].get("deletionTimestamp"):
        return Plan()
    states = {ACCEPTED: judge_set(device_set)}
    counts = {"members": len(members), "ready": sum(map(is_ready, members))}
    return _plan_status(EDGE_DEVICE_SET, device_set, counts, states, now)


def is_ready(device: Object) -> bool:
    """Tell whether the device was heard of in time and is well."""
    return ready_status(device.get("status") or {}) == "True"


def is_silent(device: Object) -> bool:
    """Tell whether heartbeats of the device no longer come."""
    return ready_status(device.get("status") or {}) == "Unknown"


def _plan_removal(workload: Object) -> Plan:
    finalizers = workload["metadata"].get("finalizers") or []
    kept = [item for item in finalizers if item not in LEGACY_WORKLOAD_FINALIZERS]
    if kept == finalizers:
        return Plan()
    return Plan((Patch(EDGE_WORKLOAD, workload, {"metadata": {"finalizers": kept}}),))


def _plan_status(
    kind: Kind,
    resource: Object,
    counts: dict[str, int],
    states: dict[str, ConditionState],
    now: datetime,
) -> Plan:
    old = resource.get("status") or {}
    generation = resource["metadata"].get("generation", 0)
    conditions = old.get("conditions") or []
    for type_, state in states.items():
        conditions = with_condition(conditions, type_, *state, now, generation)
    new = {**counts, "observedGeneration": generation, "conditions": conditions}
    change = {key: value for key, value in new.items() if old.get(key) != value}
    return Plan((Patch(kind, resource, {"status": change}, "status"),) if change else ())


def _plural(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
