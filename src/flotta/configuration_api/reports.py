"""What devices report: the state, the hardware and the events of their heartbeats."""

from __future__ import annotations

import sqlite3

import msgspec

from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.names import Name
from flotta.configuration_api.records import (
    Report,
    find_device,
    find_report,
    now,
    save_report,
)
from flotta.protocol.configuration_api import Status
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import EventInfo, Heartbeat

KEPT_EVENTS = 100  # of a device
# Characters; a device can send 256 KiB in each heartbeat, and all of the record is written again.
MAX_REASON, MAX_MESSAGE = 128, 1024
MAX_HARDWARE = 256 * 1024  # bytes as JSON: as much as an Edge API takes in one message
KEPT_MESSAGES = 32  # ids of heartbeats; one that comes later than that counts as new


def record_heartbeat(
    connection: sqlite3.Connection, name: Name, heartbeat: Heartbeat, message_id: str = ""
) -> bool:
    """Record a heartbeat, unless it came before; return whether the device's hardware is known.

    Raises ApiError 404 for a device that is not registered, nor to go.
    """
    device = find_device(connection, name)
    if device is None or device.status is Status.UNKNOWN:
        raise ApiError(404, f"{name} is not registered")
    report = find_report(connection, name) or Report()
    if not message_id or message_id not in report.message_ids:
        save_report(connection, name, _merge(report, heartbeat, message_id))
    return report.hardware is not None


def _merge(report: Report, heartbeat: Heartbeat, message_id: str) -> Report:
    events = [_cut(event) for event in heartbeat.events or () if event is not None]
    report.last_seen = now()
    report.events = [*report.events, *events][-KEPT_EVENTS:]
    report.hardware = _merge_hardware(report.hardware, heartbeat.hardware)
    report.heartbeat = msgspec.structs.replace(heartbeat, events=None, hardware=None)
    if message_id:
        report.message_ids = [*report.message_ids, message_id][-KEPT_MESSAGES:]
    return report


def _merge_hardware(
    known: HardwareInfo | None, reported: HardwareInfo | None
) -> HardwareInfo | None:
    """Return both: most heartbeats have only what can change (`scope: delta`)."""
    if known is None or reported is None:
        return reported or known
    news = {
        field: value
        for field, value in msgspec.structs.asdict(reported).items()
        if value is not None
    }
    merged = msgspec.structs.replace(known, **news)
    return merged if len(msgspec.json.encode(merged)) <= MAX_HARDWARE else reported


def _cut(event: EventInfo) -> EventInfo:
    return EventInfo(
        reason=event.reason[:MAX_REASON],
        message=event.message[:MAX_MESSAGE],
        type=event.type[:MAX_REASON],
        workload=event.workload[:MAX_REASON],
    )
