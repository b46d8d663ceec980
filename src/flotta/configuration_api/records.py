"""What is stored about a device: its state, what it reported last, its configuration.

Records are JSON, so that a later release can add to them.
"""

from __future__ import annotations

import enum
import sqlite3
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from flotta.configuration_api.names import Name
from flotta.protocol.configuration_api import Status
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import EventInfo, Features, Heartbeat
from flotta.rfc3339 import format_time

T = TypeVar("T")


class State(enum.Enum):
    """How far a device is; a command or its own request takes it to the next."""

    PENDING = "pending"  # it asked to join
    APPROVED = "approved"  # it may register
    REGISTERED = "registered"
    UNREGISTERED = "unregistered"  # the wish that it goes is on record


class Device(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A device that asked to join, joined or is to go; times are RFC 3339.

    One that is to go and asks to join again has both: `status` stays until it registers.
    """

    status: Status = Status.UNKNOWN
    uid: str = ""  # of this device; a later one of the same name has another
    public_key_fingerprint: str = ""  # that registered
    approved: bool = False  # may register, if it is not registered
    enrolled_fingerprint: str = ""  # of the key that asked to join last
    enrolled_at: str = ""
    batch: str = ""
    features: Features | None = None
    labels: dict[str, str] | None = None
    registered_at: str = ""
    unregistered_at: str = ""
    disconnected_at: str = ""  # when it carried the wish out

    @property
    def state(self) -> State:
        """How far it is, in one word."""
        if self.status is not Status.UNKNOWN:
            return State(self.status.value)
        return State.APPROVED if self.approved else State.PENDING


class Report(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a device reported last; hardware is what all its reports say together."""

    last_seen: str = ""  # RFC 3339
    heartbeat: Heartbeat | None = None  # without events and hardware
    hardware: HardwareInfo | None = None
    events: list[EventInfo] = msgspec.field(default_factory=list)  # the newest last
    message_ids: list[str] = msgspec.field(default_factory=list)  # the newest last


def now() -> str:
    """Return the time as records have it."""
    return format_time(datetime.now(UTC))


def find_device(connection: sqlite3.Connection, name: Name) -> Device | None:
    """Return the record of a device, None of one that never asked to join."""
    return _find(connection, "devices", Device, name)


def save_device(connection: sqlite3.Connection, name: Name, device: Device) -> None:
    """Store the record of a device."""
    connection.execute(
        "INSERT INTO devices VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "state = excluded.state, record = excluded.record",
        (*name, device.state.value, msgspec.json.encode(device)),
    )


def count_devices(connection: sqlite3.Connection, state: State) -> int:
    """Return how many devices are that far."""
    query = "SELECT count(*) FROM devices WHERE state = ?"
    return int(connection.execute(query, (state.value,)).fetchone()[0])


def find_report(connection: sqlite3.Connection, name: Name) -> Report | None:
    """Return what a device reported, None before it did."""
    return _find(connection, "reports", Report, name)


def save_report(connection: sqlite3.Connection, name: Name, report: Report) -> None:
    """Store what a device reported."""
    connection.execute(
        "INSERT INTO reports VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
        (*name, msgspec.json.encode(report)),
    )


def _find(connection: sqlite3.Connection, table: str, type_: type[T], name: Name) -> T | None:
    query = f"SELECT record FROM {table} WHERE namespace = ? AND id = ?"  # noqa: S608 - ours
    row = connection.execute(query, name).fetchone()
    return msgspec.json.decode(row[0], type=type_) if row else None
