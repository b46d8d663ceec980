"""EdgeWorkload: counts of its devices, and conditions.

The controller of devices decides which device runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flotta.fleet.selection import devices_for, matches
from flotta.fleet.workload_status import describe_status, is_failing, is_running
from flotta.operator.controllers.accepted import judge_workload
from flotta.operator.controllers.conditions import judged_conditions
from flotta.operator.controllers.context import Context, utc_now
from flotta.operator.controllers.device_views import COUNTS_DELAY, is_silent, workload_statuses
from flotta.operator.runtime.kind_controller import KindController, Watch, planned, spec_changed
from flotta.operator.runtime.steps import Plan, RecordEvent, patch_metadata, patch_status
from flotta.protocol.reasons.conditions import (
    DEVICES_SILENT,
    NO_DEVICE,
    PROGRESSING,
    RUNNING,
    SECRETS_BY_SELF_REPORTED_LABELS,
)
from flotta.protocol.reasons.workloads import FAILED
from flotta.resources.cache import Cache
from flotta.resources.conditions import ACCEPTED, READY, ConditionState, find_condition
from flotta.resources.finalizers import LEGACY_WORKLOAD_FINALIZERS
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.workloads import EdgeWorkload, EdgeWorkloadStatus
from flotta.resources.views import (
    Key,
    finalizers_of,
    generation_of,
    is_being_deleted,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)

MAX_CAUSE = 300  # characters of what the first failing device reports


def workload_controller(context: Context) -> KindController[EdgeWorkload]:
    """Return the controller of EdgeWorkloads."""
    workloads, devices = context.caches.of(EDGE_WORKLOAD), context.caches.of(EDGE_DEVICE)

    async def plan(workload: EdgeWorkload) -> Plan:
        return plan_workload(workload, devices.list(namespace_of(workload)), utc_now())

    return KindController(
        workloads,
        planned(context.client, plan),
        (
            Watch(workloads, concerned_by_workload),
            Watch(devices, partial(concerned_by_device, workloads), COUNTS_DELAY),
        ),
        context.settings.workers,
    )


def concerned_by_workload(old: EdgeWorkload | None, new: EdgeWorkload | None) -> Iterable[Key]:
    """Yield the workload itself when a user changed it."""
    if new is not None and spec_changed(old, new):
        yield key_of(new)


def concerned_by_device(
    workloads: Cache[EdgeWorkload], old: EdgeDevice | None, new: EdgeDevice | None
) -> set[Key]:
    """Return the workloads whose counts a change of a device may affect."""
    device = new or old
    if device is None:
        return set()
    names = set(_reports(old).items()) ^ set(_reports(new).items())
    namespace = namespace_of(device)
    keys = {(namespace, name) for name, _ in names}
    if _matched_fields(old) == _matched_fields(new):
        return keys
    for workload in workloads.list(namespace):
        if any(side and matches(workload, side) for side in (old, new)):
            keys.add(key_of(workload))
    return keys


def plan_workload(workload: EdgeWorkload, devices: Iterable[EdgeDevice], now: datetime) -> Plan:
    """Plan for a workload and the devices of its namespace."""
    if is_being_deleted(workload):
        return _plan_removal(workload)
    counts = WorkloadCounts()
    for device in devices_for(workload, devices):
        counts.add(device, name_of(workload))
    accepted = judge_workload(workload)
    states = {ACCEPTED: accepted, READY: counts.ready_state()}
    status: EdgeWorkloadStatus = {
        **status_of(workload),
        **counts.in_status(),
        "observedGeneration": generation_of(workload),
        "conditions": judged_conditions(workload, states, now),
    }
    return Plan((*patch_status(EDGE_WORKLOAD, workload, status), *_warn(workload, accepted)))


def _warn(workload: EdgeWorkload, accepted: ConditionState) -> tuple[RecordEvent, ...]:
    """Return the Event about a selector that is a risk, once for each new message."""
    _, reason, message = accepted
    known = find_condition(status_of(workload).get("conditions"), ACCEPTED)
    if reason != SECRETS_BY_SELF_REPORTED_LABELS or (known and known.get("message") == message):
        return ()
    return (RecordEvent(EDGE_WORKLOAD, workload, "Warning", reason, message),)


@dataclass
class WorkloadCounts:
    """Counts the devices that should run a workload by its state there.

    The last report of a device counts as long as the device is online; an offline device counts
    neither as running nor as failed.
    """

    matched: int = 0
    running: int = 0
    failed: int = 0
    silent: int = 0
    first_failure: str = ""

    def add(self, device: EdgeDevice, workload: str) -> None:
        """Count a device."""
        reports = (status for status in workload_statuses(device) if status["name"] == workload)
        report = next(reports, None)
        self.matched += 1
        if is_silent(device):
            self.silent += 1
        elif report is not None and is_running(report):
            self.running += 1
        elif report is not None and is_failing(report):
            self.failed += 1
            cause = f"{name_of(device)}: {describe_status(report)}"
            self.first_failure = self.first_failure or cause[:MAX_CAUSE]

    def in_status(self) -> EdgeWorkloadStatus:
        """Return the fields of the status."""
        return {"matched": self.matched, "running": self.running, "failed": self.failed}

    def ready_state(self) -> ConditionState:
        """Return the state of condition Ready."""
        if not self.matched:
            return "False", NO_DEVICE, "No device is selected"
        of_all = f"of {_plural(self.matched)}"
        rest = f"; {self.silent} offline" if self.silent else ""
        if self.failed:
            text = f"Failed on {self.failed} {of_all}{rest}; {self.first_failure}"
            return "False", FAILED, text
        if self.running == self.matched:
            return "True", RUNNING, f"Running on {_plural(self.matched)}"
        text = f"Running on {self.running} {of_all}{rest}"
        if self.running + self.silent == self.matched:
            return "Unknown", DEVICES_SILENT, text
        return "False", PROGRESSING, text


def _matched_fields(device: EdgeDevice | None) -> object:
    """Return the fields of a device that decide what runs on it."""
    if device is None:
        return None
    return uid_of(device), labels_of(device), device["metadata"].get("deletionTimestamp")


def _reports(device: EdgeDevice | None) -> dict[str, tuple[object, ...]]:
    """Return what the counts of each workload of a device depend on, by name."""
    if device is None:
        return {}
    silent = is_silent(device)
    return {
        entry["name"]: (
            *(silent, entry.get("ready")),
            *(entry.get("phase"), entry.get("reason"), entry.get("message")),
        )
        for entry in workload_statuses(device)
    }


def _plan_removal(workload: EdgeWorkload) -> Plan:
    finalizers = finalizers_of(workload)
    kept = [item for item in finalizers if item not in LEGACY_WORKLOAD_FINALIZERS]
    if kept == finalizers:
        return Plan()
    return Plan(patch_metadata(EDGE_WORKLOAD, workload, {"finalizers": kept}))


def _plural(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
