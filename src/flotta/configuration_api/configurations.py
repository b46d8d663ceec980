"""The configurations that administrators put, as devices get them."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import NamedTuple

import msgspec

from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.feed import note_change
from flotta.configuration_api.names import Name
from flotta.configuration_api.records import find_device
from flotta.protocol.configuration_api import Status
from flotta.protocol.models import (
    DeviceConfiguration,
    DeviceConfigurationMessage,
    HeartbeatConfiguration,
)


class StoredConfiguration(NamedTuple):
    """The JSON of a message to a device, and its version, a hash of the content."""

    version: str
    content: bytes


def put_configuration(
    connection: sqlite3.Connection, name: Name, message: DeviceConfigurationMessage
) -> bool:
    """Store the configuration of a device, which may join later; return whether it changed."""
    stored = _finish(name, message)
    known = find_configuration(connection, name)
    if known is not None and known.version == stored.version:
        return False
    connection.execute(
        "INSERT INTO configurations VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "version = excluded.version, content = excluded.content",
        (*name, *stored),
    )
    note_change(connection, name)
    return True


def find_configuration(connection: sqlite3.Connection, name: Name) -> StoredConfiguration | None:
    """Return what was put for a device, None when nothing was."""
    query = "SELECT version, content FROM configurations WHERE namespace = ? AND id = ?"
    row = connection.execute(query, name).fetchone()
    return StoredConfiguration(*row) if row else None


def read_configuration(connection: sqlite3.Connection, name: Name) -> StoredConfiguration:
    """Return the configuration of a registered device.

    Raises ApiError 404 for another device, and as long as nothing was put: an empty configuration
    would tell the device to remove its workloads.
    """
    device = find_device(connection, name)
    if device is None or device.status is not Status.REGISTERED:
        raise ApiError(404, f"{name} is not registered")
    stored = find_configuration(connection, name)
    if stored is None:
        raise ApiError(
            404,
            f"nobody has put a configuration for {name} yet: "
            f"`flotta-configuration-api put {name} FILE`",
        )
    return stored


def _finish(name: Name, message: DeviceConfigurationMessage) -> StoredConfiguration:
    """Return the message with its version, and with what agents of v0.2 do not start without."""
    settings = message.configuration or DeviceConfiguration()
    if settings.heartbeat is None:
        settings = msgspec.structs.replace(settings, heartbeat=HeartbeatConfiguration())
    finished = msgspec.structs.replace(
        message, configuration=settings, device_id=name.device_id, version="", inputs_version=None
    )
    version = hashlib.sha256(msgspec.json.encode(finished, order="deterministic")).hexdigest()
    finished.version = version[:32]
    return StoredConfiguration(
        finished.version, msgspec.json.encode(finished, order="deterministic")
    )
