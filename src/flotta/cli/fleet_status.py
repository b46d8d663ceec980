"""What `flotta status` shows: one row for each device, and for each request that waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from flotta.fleet.joining import UNREGISTERED_LABEL, is_approved, is_declined, is_registered
from flotta.fleet.presence import ready_status
from flotta.resources.conditions import CONFIGURED, STORAGE_READY, condition_status
from flotta.resources.kinds import MEMBER_LABEL
from flotta.rfc3339 import parse_time

Object = dict[str, Any]

# Labels that the control plane writes; people look for their own.
WRITTEN = ("device.", "workload/", MEMBER_LABEL, UNREGISTERED_LABEL)
COLOURS = {
    "ready": "green",
    "joining": "yellow",
    "without storage": "yellow",
    "misconfigured": "yellow",
    "waiting for approval": "yellow",
}
HEADINGS = ("Device", "State", "Labels", "Workloads", "Last seen", "Up", "Down")


@dataclass(frozen=True)
class WorkloadRow:
    """A workload on a device; counts are files since the workload came."""

    name: str
    phase: str
    reason: str
    message: str
    files_up: int
    files_down: int


@dataclass(frozen=True)
class DeviceRow:
    """A device; `last_seen` is an RFC 3339 time, empty when it was never heard of."""

    namespace: str
    name: str
    state: str
    set: str
    labels: dict[str, str]
    workloads: tuple[WorkloadRow, ...]
    last_seen: str
    files_up: int
    files_down: int


def device_rows(devices: Iterable[Object], requests: Iterable[Object]) -> list[DeviceRow]:
    """Return the rows of all devices, then of the requests that no device came of."""
    known = [_device_row(device) for device in devices]
    names = {row.name for row in known}
    waiting = [
        _request_row(request) for request in requests if request["metadata"]["name"] not in names
    ]
    return sorted(known, key=_sort_key) + sorted(waiting, key=_sort_key)


def device_state(device: Mapping[str, Any]) -> str:
    """Return in a word or two how the device is."""
    metadata, status = device["metadata"], device.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "leaving"
    if not is_registered(device):
        return "joining"
    heard = ready_status(status)
    if heard != "True":
        return {"False": "not ready", "Unknown": "offline"}.get(str(heard), "unknown")
    conditions = status.get("conditions")
    for type_, word in ((STORAGE_READY, "without storage"), (CONFIGURED, "misconfigured")):
        if condition_status(conditions, type_) == "False":
            return word
    return "degraded" if status.get("phase") == "degraded" else "ready"


def request_state(request: Mapping[str, Any]) -> str:
    """Return in a few words what became of a request to join."""
    if is_declined(request):
        return "declined"
    return "approved" if is_approved(request) else "waiting for approval"


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


def rows_as_data(rows: Iterable[DeviceRow]) -> list[Object]:
    """Return the rows as plain data for JSON."""
    return [asdict(row) for row in rows]


def rows_as_table(rows: Iterable[DeviceRow], now: datetime | None = None) -> Table:
    """Return the rows as a table for people."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("Up", "Down") else "left")
    for row in rows:
        labels = [f"{key}={value}" for key, value in row.labels.items()]
        workloads = [_workload_text(workload) for workload in row.workloads]
        table.add_row(
            Text(row.name if row.namespace == "default" else f"{row.namespace}/{row.name}"),
            Text(row.state, style=COLOURS.get(row.state, "red")),
            Text("\n".join([f"set {row.set}"] * bool(row.set) + labels)),
            Text("\n".join(workloads)),
            describe_age(row.last_seen, now),
            str(row.files_up),
            str(row.files_down),
        )
    return table


def _workload_text(workload: WorkloadRow) -> str:
    reason = f" ({workload.reason})" if workload.reason else ""
    return f"{workload.name} {workload.phase}{reason}"


def _device_row(device: Object) -> DeviceRow:
    metadata, status = device["metadata"], device.get("status") or {}
    labels = metadata.get("labels") or {}
    workloads = tuple(_workload_row(entry) for entry in status.get("workloads") or ())
    return DeviceRow(
        namespace=metadata["namespace"],
        name=metadata["name"],
        state=device_state(device),
        set=labels.get(MEMBER_LABEL, ""),
        labels={key: labels[key] for key in sorted(labels) if not key.startswith(WRITTEN)},
        workloads=workloads,
        last_seen=status.get("lastSeenTime") or "",
        files_up=sum(workload.files_up for workload in workloads),
        files_down=sum(workload.files_down for workload in workloads),
    )


def _workload_row(entry: Mapping[str, Any]) -> WorkloadRow:
    return WorkloadRow(
        name=entry["name"],
        phase=entry.get("phase") or "unknown",
        reason=entry.get("reason") or "",
        message=entry.get("message") or "",
        files_up=entry.get("filesUp") or 0,
        files_down=entry.get("filesDown") or 0,
    )


def _request_row(request: Object) -> DeviceRow:
    spec = request.get("spec") or {}
    return DeviceRow(
        namespace=spec.get("targetNamespace") or "default",
        name=request["metadata"]["name"],
        state=request_state(request),
        set=spec.get("targetSet") or "",
        labels={},
        workloads=(),
        last_seen="",
        files_up=0,
        files_down=0,
    )


def _sort_key(row: DeviceRow) -> tuple[str, str]:
    return row.namespace, row.name
