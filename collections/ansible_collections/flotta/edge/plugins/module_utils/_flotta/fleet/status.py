# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/status.py: change that.
"""The fleet in rows: one for each device, and one for each request without a device.

Texts of devices are printable, also those that an earlier release stored as they came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..fleet.adoption import is_withheld
from ..fleet.joining import (
    UNREGISTERED_LABEL,
    code_of,
    is_approved,
    is_declined,
    is_registered,
)
from ..fleet.presence import ready_status
from ..fleet.quarantine import is_quarantined
from ..fleet.registration_batches import APPROVAL_WITHHELD_ANNOTATION
from ..fleet.tombstones import is_held
from ..fleet.unknown_devices import UnknownDevice
from ..printable_text import printable
from ..resources.conditions import CONFIGURED, STORAGE_READY, condition_status
from ..resources.kinds import MEMBER_LABEL
from ..resources.objects.devices import EdgeDevice, SignedRequest, WorkloadStatus
from ..resources.views import (
    annotations_of,
    is_being_deleted,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from ..rfc3339 import parse_time

# Labels that the control plane writes; users look for their own.
UNKNOWN_STATE = "unknown to this control plane"
WAITING_STATE = "waiting for approval"
WRITTEN = ("device.", "workload/", MEMBER_LABEL, UNREGISTERED_LABEL)


@dataclass(frozen=True)
class WorkloadRow:
    """A workload on a device; the counts are files since the workload was added.

    `ready` is None where no probe says it.
    """

    name: str
    phase: str
    reason: str
    message: str
    ready: bool | None
    files_up: int
    files_down: int


@dataclass(frozen=True)
class DeviceRow:
    """A device; `last_seen` is an RFC 3339 time, empty if it was never heard from.

    `decided_by` is who or which rule approved or declined it, "" if that is not recorded;
    `waits_because` why no rule approved a request that waits, `code` what the console of its device
    shows.
    """

    namespace: str
    name: str
    state: str
    set: str
    labels: dict[str, str]
    workloads: tuple[WorkloadRow, ...]
    last_seen: str
    files_up: int
    files_down: int
    decided_by: str = ""
    waits_because: str = ""
    code: str = ""


def device_rows(
    devices: Iterable[EdgeDevice],
    requests: Iterable[SignedRequest],
    unknown: Iterable[UnknownDevice] = (),
) -> list[DeviceRow]:
    """Return the rows of all devices, of the requests without an EdgeDevice, of unknown devices."""
    requests = list(requests)
    asked = {(spec_of(item).get("targetNamespace"), name_of(item)): item for item in requests}
    known = [_device_row(device, asked.get(key_of(device))) for device in devices]
    names = {row.name for row in known}
    waiting = [_request_row(request) for request in requests if name_of(request) not in names]
    strangers = [_unknown_row(device) for device in unknown]
    return [row for rows in (known, waiting, strangers) for row in sorted(rows, key=_sort_key)]


def device_state(device: EdgeDevice) -> str:
    """Return the state of the device in a word or two."""
    status = status_of(device)
    if is_being_deleted(device):
        return "wipe held" if is_held(device) else "leaving"
    if is_quarantined(device):
        return "quarantined"
    if not is_registered(device):
        return "joining"
    if is_withheld(device):
        return "withheld"
    heard = ready_status(status)
    if heard != "True":
        return {"False": "not ready", "Unknown": "offline"}.get(str(heard), "unknown")
    conditions = status.get("conditions")
    for type_, word in ((STORAGE_READY, "without storage"), (CONFIGURED, "misconfigured")):
        if condition_status(conditions, type_) == "False":
            return word
    return "degraded" if status.get("phase") == "degraded" else "ready"


def request_state(request: SignedRequest) -> str:
    """Return the state of a request to join in a few words."""
    if is_declined(request):
        return "declined"
    return "approved" if is_approved(request) else WAITING_STATE


def describe_age(time: str, now: datetime | None = None) -> str:
    """Return how long ago an RFC 3339 time was, in the largest fitting unit."""
    moment = parse_time(time)
    if moment is None:
        return "never"
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _device_row(device: EdgeDevice, request: SignedRequest | None) -> DeviceRow:
    status, labels = status_of(device), labels_of(device)
    workloads = tuple(_workload_row(entry) for entry in status.get("workloads") or ())
    return DeviceRow(
        namespace=namespace_of(device),
        name=name_of(device),
        state=device_state(device),
        set=labels.get(MEMBER_LABEL, ""),
        labels={key: labels[key] for key in sorted(labels) if not key.startswith(WRITTEN)},
        workloads=workloads,
        last_seen=printable(status.get("lastSeenTime") or ""),
        files_up=sum(workload.files_up for workload in workloads),
        files_down=sum(workload.files_down for workload in workloads),
        decided_by=_decided_by(request) if request else "",
    )


def _workload_row(entry: WorkloadStatus) -> WorkloadRow:
    return WorkloadRow(
        name=printable(entry["name"]),
        phase=printable(entry.get("phase") or "unknown"),
        reason=printable(entry.get("reason") or ""),
        message=printable(entry.get("message") or ""),
        ready=entry.get("ready"),
        files_up=entry.get("filesUp") or 0,
        files_down=entry.get("filesDown") or 0,
    )


def _request_row(request: SignedRequest) -> DeviceRow:
    spec, state = spec_of(request), request_state(request)
    withheld = annotations_of(request).get(APPROVAL_WITHHELD_ANNOTATION, "")
    return DeviceRow(
        namespace=printable(spec.get("targetNamespace") or "default"),
        name=name_of(request),
        state=state,
        set=printable(spec.get("targetSet") or ""),
        labels={},
        workloads=(),
        last_seen="",
        files_up=0,
        files_down=0,
        decided_by=_decided_by(request),
        waits_because=printable(withheld) if state == WAITING_STATE else "",
        code=code_of(request) if state == WAITING_STATE else "",
    )


def _decided_by(request: SignedRequest) -> str:
    return printable((status_of(request).get("decision") or {}).get("by") or "")


def _unknown_row(device: UnknownDevice) -> DeviceRow:
    return DeviceRow(
        namespace=device.namespace,
        name=device.name,
        state=UNKNOWN_STATE,
        set="",
        labels={},
        workloads=(),
        last_seen=device.last_seen,
        files_up=0,
        files_down=0,
    )


def _sort_key(row: DeviceRow) -> tuple[str, str]:
    return row.namespace, row.name
