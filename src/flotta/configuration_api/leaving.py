"""How a device leaves: by a wish on record, or by being forgotten, which is not a wish.

Rules: docs/reference/configuration-api.md#leaving.
"""

from __future__ import annotations

import sqlite3

from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.feed import note_change
from flotta.configuration_api.names import Name
from flotta.configuration_api.records import Device, find_device, now, save_device
from flotta.protocol.configuration_api import Status

RECORDS = ("devices", "reports", "configurations")


def unregister(connection: sqlite3.Connection, name: Name, *, unknown: bool = False) -> Device:
    """Record the wish that a device goes and removes everything.

    `unknown` records it of a device that is not registered here, too: after the loss of a database.
    Raises ApiError 404 otherwise.
    """
    device = find_device(connection, name)
    if device is not None and device.status is Status.UNREGISTERED:
        return device
    if (device is None or device.status is not Status.REGISTERED) and not unknown:
        raise ApiError(
            404,
            f"{name} is not registered here, so nothing was recorded; with --unknown the wish "
            "is recorded for whichever device of this name there is",
        )
    going = device or Device()
    going.status, going.unregistered_at, going.disconnected_at = Status.UNREGISTERED, now(), ""
    going.approved, going.enrolled_at, going.enrolled_fingerprint = False, "", ""
    save_device(connection, name, going)
    note_change(connection, name)
    return going


def is_to_go(device: Device) -> bool:
    """Tell whether the wish that a device goes is on record and not carried out."""
    return device.status is Status.UNREGISTERED and not device.disconnected_at


def record_disconnect(connection: sqlite3.Connection, name: Name, uid: str = "") -> None:
    """Record that a device carried the wish out; of others it says nothing.

    `uid` is that in its certificate: of an earlier device of the name it says nothing either.

    Raises ApiError 404 for a device that is not on record.
    """
    device = find_device(connection, name)
    if device is None:
        raise ApiError(404, f"{name} is not on record")
    is_meant = not uid or not device.uid or uid == device.uid
    if is_to_go(device) and is_meant:
        device.disconnected_at = now()
        save_device(connection, name, device)


def forget(
    connection: sqlite3.Connection,
    name: Name,
    *,
    keep_configuration: bool = False,
    force: bool = False,
) -> None:
    """Remove everything about a device from the database; the device itself keeps running.

    Raises ApiError 404 for one that is not there, 409 without `force` for a wish that the device
    has not carried out, which would be forgotten with it.
    """
    device = find_device(connection, name)
    if device is not None and is_to_go(device) and not force:
        raise ApiError(
            409,
            f"{name} has not carried out yet that it is to go, and would keep running: wait, or "
            "forget it with --force",
        )
    tables = RECORDS[:2] if keep_configuration else RECORDS
    removed = sum(
        connection.execute(f"DELETE FROM {table} WHERE namespace = ? AND id = ?", name).rowcount  # noqa: S608
        for table in tables
    )
    if not removed:
        raise ApiError(404, f"{name} is not on record")
    note_change(connection, name)
