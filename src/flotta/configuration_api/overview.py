"""What is on record, for people: the table of all devices, and the document of one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import yaml

from flotta.configuration_api.configurations import find_configuration
from flotta.configuration_api.names import Name
from flotta.configuration_api.records import (
    Device,
    Report,
    find_device,
    find_report,
)
from flotta.printable_text import printable
from flotta.protocol.models import DeviceConfigurationMessage

COLUMNS = ("DEVICE", "STATE", "CONFIGURATION", "STATUS", "LAST SEEN")
NONE = "-"
CONFIGURED = "configured"  # state of a device that has only a configuration
GONE = "gone"  # of one that carried out that it was to go
NAMES = "SELECT namespace, id FROM {} "
ALL = (
    " UNION ".join(NAMES.format(table) for table in ("devices", "configurations")) + "ORDER BY 1,2"
)


class Listed(NamedTuple):
    """A device in the table."""

    name: Name
    state: str
    configuration: str  # put, delivered or none
    status: str
    last_seen: str

    def document(self) -> dict[str, str]:
        """Return the row with the names of its columns."""
        return {
            "namespace": self.name.namespace,
            "id": self.name.device_id,
            "state": self.state,
            "configuration": self.configuration,
            "status": self.status,
            "last_seen": self.last_seen,
        }


def list_devices(connection: sqlite3.Connection) -> list[Listed]:
    """Return all devices, in the order of their names."""
    names = [Name(*row) for row in connection.execute(ALL)]
    return [_row(connection, name) for name in names]


def format_table(devices: Iterable[Listed]) -> str:
    """Return the table; what devices said is printable in it."""
    rows = [COLUMNS, *((str(row.name), *map(printable, row[1:])) for row in devices)]
    if len(rows) == 1:
        return "No device has asked to join, and no configuration was put."
    cells = [[cell or NONE for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def describe_device(connection: sqlite3.Connection, name: Name) -> dict[str, object] | None:
    """Return all that is on record about a device, without its Secrets; None if nothing is."""
    device, report = find_device(connection, name), find_report(connection, name)
    stored = find_configuration(connection, name)
    if device is None and stored is None:
        return None
    message = (
        msgspec.json.decode(stored.content, type=DeviceConfigurationMessage) if stored else None
    )
    workloads = [item.name for item in message.workloads or ()] if message else []
    return {
        "namespace": name.namespace,
        "id": name.device_id,
        "state": _state(device),
        "device": msgspec.to_builtins(device) if device else None,
        "configuration": {"version": stored.version, "workloads": workloads} if stored else None,
        "report": _report(report),
    }


def format_document(document: object, output: str) -> str:
    """Return plain data as `yaml` or `json`; no character in it acts on a terminal."""
    if output == "json":
        return json.dumps(document, indent=2)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False).rstrip("\n")


def _row(connection: sqlite3.Connection, name: Name) -> Listed:
    report = find_report(connection, name) or Report()
    stored = find_configuration(connection, name)
    heartbeat = report.heartbeat
    applied = heartbeat.version if heartbeat else ""
    delivered = "" if stored is None else "applied" if stored.version == applied else "put"
    return Listed(
        name,
        _state(find_device(connection, name)),
        delivered,
        heartbeat.status if heartbeat else "",
        report.last_seen,
    )


def _state(device: Device | None) -> str:
    if device is None:
        return CONFIGURED
    return GONE if device.disconnected_at else device.state.value


def _report(report: Report | None) -> object:
    """Return what a device reported; the ids of its messages say nothing to anybody."""
    if report is None:
        return None
    return msgspec.to_builtins(msgspec.structs.replace(report, message_ids=[]))
