"""Heartbeat to `EdgeDevice.status`: the merge rules.

Membership of `status.workloads` belongs to the operator; a heartbeat changes the reported fields
of entries that are there and neither adds nor removes one. What a heartbeat does not mention is
kept, except the state of a workload that the device stopped reporting: it is `Deploying` again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flotta.protocol.models import (
    Heartbeat,
    PlaybookExecutionStatus,
    UpgradeStatus,
    WorkloadStatus,
)
from flotta.protocol.phases import DEPLOYING
from flotta.rfc3339 import format_time, parse_time

from . import hardware
from .workload_status import is_failing, is_running

Object = dict[str, Any]

MISCONFIGURATION = "Misconfiguration"  # reason of entries whose workload is not delivered


@dataclass(frozen=True)
class Transition:
    """A workload that began to fail, or runs again after failing."""

    workload: str
    failing: bool
    reason: str
    message: str


def apply_heartbeat(device: Mapping[str, Any], heartbeat: Heartbeat, now: datetime) -> Object:
    """Return the new status; equal to the old one when the heartbeat says nothing new.

    Presence (`lastSeenTime`, condition Ready) is not decided here: see `presence`.
    """
    old: Object = device.get("status") or {}
    new = dict(old)
    if heartbeat.status:
        new["phase"] = heartbeat.status
    if heartbeat.version != old.get("lastSyncedResourceVersion", ""):
        new["lastSyncedResourceVersion"] = heartbeat.version
    if heartbeat.agent_version:
        new["agentVersion"] = heartbeat.agent_version
    if heartbeat.hardware is not None:
        new["hardware"] = hardware.merge_report(old.get("hardware"), heartbeat.hardware)
    if heartbeat.upgrade is not None:
        new["upgradeInformation"] = _upgrade_information(heartbeat.upgrade)
    if old.get("workloads"):
        new["workloads"] = _apply_to_workloads(old["workloads"], heartbeat, now)
    if old.get("PlaybookExec"):
        new["PlaybookExec"] = _apply_to_playbooks(old["PlaybookExec"], heartbeat, now)
    return new


def find_transitions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Transition]:
    """Return which workloads of two states of the status began to fail, fail otherwise, or recovered."""
    before = {entry["name"]: entry for entry in old.get("workloads") or ()}
    found = []
    for entry in new.get("workloads") or ():
        was = before.get(entry["name"], {})
        if is_failing(entry) and _failure_of(entry) != (
            _failure_of(was) if is_failing(was) else None
        ):
            found.append(_transition(entry, failing=True))
        elif is_running(entry) and is_failing(was):
            found.append(_transition(entry, failing=False))
    return found


def with_phase(entry: Object, phase: str, now: datetime) -> Object:
    """Return the entry with this phase; lastTransitionTime follows a change."""
    if entry.get("phase") == phase:
        return dict(entry)
    return {**entry, "phase": phase, "lastTransitionTime": format_time(now)}


def _apply_to_workloads(entries: list[Object], heartbeat: Heartbeat, now: datetime) -> list[Object]:
    reports = {report.name: report for report in heartbeat.workloads or () if report is not None}
    return [
        _apply_report(entry, reports[entry["name"]], now)
        if entry["name"] in reports
        else _reset_unreported(entry, now)
        for entry in entries
    ]


def _apply_report(entry: Object, report: WorkloadStatus, now: datetime) -> Object:
    if entry.get("reason") == MISCONFIGURATION:
        return entry  # it is about to be removed there; what is wrong is shown until it is solved
    new = with_phase(entry, report.status, now) if report.status else dict(entry)
    for key, text in (("reason", report.reason), ("message", report.message)):
        if text:
            new[key] = text
        else:
            new.pop(key, None)
    for key, count in (("filesUp", report.files_up), ("filesDown", report.files_down)):
        if count or key in entry:
            new[key] = count
    if uploaded := _stored_time(report.last_data_upload):
        new["lastDataUpload"] = uploaded
    return new


def _reset_unreported(entry: Object, now: datetime) -> Object:
    if entry.get("reason") == MISCONFIGURATION or entry.get("phase") in (None, DEPLOYING):
        return entry
    kept = {key: value for key, value in entry.items() if key not in ("reason", "message")}
    return with_phase(kept, DEPLOYING, now)


def _apply_to_playbooks(entries: list[Object], heartbeat: Heartbeat, now: datetime) -> list[Object]:
    reports = {
        report.name: report for report in heartbeat.playbook_executions or () if report is not None
    }
    return [
        _apply_playbook_report(entry, reports[entry["name"]], now)
        if entry["name"] in reports
        else entry
        for entry in entries
    ]


def _apply_playbook_report(entry: Object, report: PlaybookExecutionStatus, now: datetime) -> Object:
    conditions: list[Object] = (entry.get("PlaybookExecutionStatus") or {}).get("conditions") or []
    if not report.status or (conditions and conditions[-1].get("type") == report.status):
        return entry
    past = [*conditions[:-1], {**conditions[-1], "status": "False"}] if conditions else []
    current = {"type": report.status, "status": "True", "lastTransitionTime": format_time(now)}
    return {**entry, "PlaybookExecutionStatus": {"conditions": [*past, current]}}


def _upgrade_information(report: UpgradeStatus) -> Object:
    fields = {
        "currentCommitID": report.current_commit_id,
        "lastUpgradeStatus": report.last_upgrade_status,
        "lastUpgradeTime": report.last_upgrade_time,
    }
    return {key: value for key, value in fields.items() if value or key == "currentCommitID"}


def _failure_of(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry.get("phase", ""), entry.get("reason", ""), entry.get("message", "")


def _transition(entry: Object, *, failing: bool) -> Transition:
    reason = entry.get("reason") or ("Failed" if failing else "Running")
    message = entry.get("message") or f"the workload is {entry.get('phase')}"
    return Transition(entry["name"], failing, reason, message)


def _stored_time(text: str) -> str | None:
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return format_time(moment) if moment else None
