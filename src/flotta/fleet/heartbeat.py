"""Heartbeat to `EdgeDevice.status`: the merge rules.

The operator decides which entries `status.workloads` has; a heartbeat changes the reported fields
of existing entries and neither adds nor removes entries. What a heartbeat does not mention is
kept, except the state of a workload that the device stopped reporting: it is `Deploying` again
(docs/reference/control-plane.md#heartbeats-and-status).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flotta.fleet import hardware
from flotta.fleet.workload_status import is_failing, is_started
from flotta.printable_text import printable
from flotta.protocol import models
from flotta.protocol.log_ends import without_log
from flotta.protocol.models import (
    Heartbeat,
    UpgradeStatus,
)
from flotta.protocol.phases import DEPLOYING
from flotta.protocol.reasons.conditions import RUNNING
from flotta.protocol.reasons.workloads import FAILED, MISCONFIGURATION
from flotta.resources.bounds import fit_changes
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import (
    DevicePlaybook,
    EdgeDevice,
    EdgeDeviceStatus,
    UpgradeInformation,
    WorkloadStatus,
)
from flotta.resources.objects.meta import Condition
from flotta.resources.views import status_of
from flotta.rfc3339 import format_time, parse_time

PLAYBOOK_HISTORY = 16  # conditions of an execution that are kept, the newest
STATUS_LIMIT = 64  # characters of a playbook's status


@dataclass(frozen=True)
class Transition:
    """A workload that began to fail, or runs again after failing."""

    workload: str
    failing: bool
    reason: str
    message: str


def apply_heartbeat(device: EdgeDevice, heartbeat: Heartbeat, now: datetime) -> EdgeDeviceStatus:
    """Return the new status; equal to the old one when the heartbeat reports nothing new.

    What is new is printable, and cut to the lengths and counts of the CRD. Presence
    (`lastSeenTime`, condition Ready) is not decided here: see `presence`.
    """
    old = status_of(device)
    new = old.copy()
    if heartbeat.status:
        new["phase"] = heartbeat.status
    if heartbeat.version != old.get("lastSyncedResourceVersion", ""):
        new["lastSyncedResourceVersion"] = heartbeat.version
    if heartbeat.agent_version:
        new["agentVersion"] = heartbeat.agent_version
    else:
        new.pop("agentVersion", None)  # an agent of v0.2, perhaps installed over a newer one
    if heartbeat.hardware is not None:
        new["hardware"] = hardware.merge_report(old.get("hardware"), heartbeat.hardware)
    if heartbeat.upgrade is not None:
        new["upgradeInformation"] = _upgrade_information(heartbeat.upgrade)
    if old.get("workloads"):
        new["workloads"] = _apply_to_workloads(old["workloads"], heartbeat, now)
    if old.get("PlaybookExec"):
        new["PlaybookExec"] = _apply_to_playbooks(old["PlaybookExec"], heartbeat, now)
    return fit_changes(EDGE_DEVICE, old, new, printable)


def find_transitions(old: EdgeDeviceStatus, new: EdgeDeviceStatus) -> list[Transition]:
    """Return the workloads that began to fail, fail differently, or recovered since `old`."""
    before = {workload["name"]: workload for workload in old.get("workloads") or ()}
    found = []
    for workload in new.get("workloads") or ():
        was = before.get(workload["name"])
        known = _failure_of(was) if was and is_failing(was) else None
        if is_failing(workload) and _failure_of(workload) != known:
            found.append(_describe_transition(workload, failing=True))
        elif is_started(workload) and known:
            found.append(_describe_transition(workload, failing=False))
    return found


def with_phase(workload: WorkloadStatus, phase: str, now: datetime) -> WorkloadStatus:
    """Return the workload with this phase; lastTransitionTime follows a change."""
    if workload.get("phase") == phase:
        return workload.copy()
    return {**workload, "phase": phase, "lastTransitionTime": format_time(now)}


def without_reason(workload: WorkloadStatus) -> WorkloadStatus:
    """Return the workload without reason and message, and without what its probes said."""
    kept = workload.copy()
    kept.pop("reason", None)
    kept.pop("message", None)
    kept.pop("ready", None)
    return kept


def _apply_to_workloads(
    workloads: list[WorkloadStatus], heartbeat: Heartbeat, now: datetime
) -> list[WorkloadStatus]:
    # Agents that are not ours may send null among the items.
    reports = {report.name: report for report in heartbeat.workloads or () if report is not None}
    return [
        _apply_report(workload, reports[workload["name"]], now)
        if workload["name"] in reports
        else _reset_unreported(workload, now)
        for workload in workloads
    ]


def _apply_report(
    workload: WorkloadStatus, report: models.WorkloadStatus, now: datetime
) -> WorkloadStatus:
    new = _apply_state(workload, report, now)
    new.pop("ready", None)
    if report.ready is not None:
        new["ready"] = report.ready
    # A counter appears with the first file, and is shown as 0 again after a restart.
    if report.files_up or "filesUp" in workload:
        new["filesUp"] = _stored_count(report.files_up)
    if report.files_down or "filesDown" in workload:
        new["filesDown"] = _stored_count(report.files_down)
    if uploaded := _stored_time(report.last_data_upload):
        new["lastDataUpload"] = uploaded
    return new


def _apply_state(
    workload: WorkloadStatus, report: models.WorkloadStatus, now: datetime
) -> WorkloadStatus:
    if workload.get("reason") == MISCONFIGURATION:
        return workload.copy()  # the device runs an older version; the problem is shown
    new = without_reason(workload)
    if report.status:
        new = with_phase(new, report.status, now)
    if report.reason:
        new["reason"] = report.reason
    if report.message:
        new["message"] = report.message
    return new


def _reset_unreported(workload: WorkloadStatus, now: datetime) -> WorkloadStatus:
    if workload.get("reason") == MISCONFIGURATION:
        kept = workload.copy()
        kept.pop("ready", None)
        return kept
    if workload.get("phase") in (None, DEPLOYING):
        return workload
    return with_phase(without_reason(workload), DEPLOYING, now)


def _apply_to_playbooks(
    executions: list[DevicePlaybook], heartbeat: Heartbeat, now: datetime
) -> list[DevicePlaybook]:
    reports = {
        report.name: report for report in heartbeat.playbook_executions or () if report is not None
    }
    return [
        _apply_playbook_report(execution, reports[execution["name"]], now)
        if execution["name"] in reports
        else execution
        for execution in executions
    ]


def _apply_playbook_report(
    execution: DevicePlaybook, report: models.PlaybookExecutionStatus, now: datetime
) -> DevicePlaybook:
    conditions = (execution.get("PlaybookExecutionStatus") or {}).get("conditions") or []
    status = printable(report.status, STATUS_LIMIT)
    if not status or (conditions and conditions[-1].get("type") == status):
        return execution
    # The last condition is the current state; those before it are the history.
    past: list[Condition] = list(conditions[:-1])
    if conditions:
        past.append({**conditions[-1], "status": "False"})
    current: Condition = {
        "type": status,
        "status": "True",
        "lastTransitionTime": format_time(now),
    }
    kept = [*past, current][-PLAYBOOK_HISTORY:]
    return {**execution, "PlaybookExecutionStatus": {"conditions": kept}}


def _upgrade_information(report: UpgradeStatus) -> UpgradeInformation:
    information: UpgradeInformation = {"currentCommitID": report.current_commit_id}
    if report.last_upgrade_status:
        information["lastUpgradeStatus"] = report.last_upgrade_status
    if report.last_upgrade_time:
        information["lastUpgradeTime"] = report.last_upgrade_time
    return information


def _failure_of(workload: WorkloadStatus) -> tuple[str, str, str]:
    message = without_log(workload.get("message", ""))
    return workload.get("phase", ""), workload.get("reason", ""), message


def _describe_transition(workload: WorkloadStatus, *, failing: bool) -> Transition:
    reason = workload.get("reason") or (FAILED if failing else RUNNING)
    message = workload.get("message") or f"the workload is {workload.get('phase')}"
    return Transition(workload["name"], failing, reason, without_log(message))


def _stored_count(number: int) -> int:
    """Return the nearest number that the CRD can store."""
    return min(max(number, 0), hardware.INT64_MAXIMUM)


def _stored_time(text: str) -> str | None:
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return format_time(moment) if moment else None
