"""Devices of a restored control plane get no configuration before they have shown what they run.

The backup does not know the workloads that were created after it. A configuration without them
would make devices remove these with their files, which nobody asked for. The Edge API releases a
device once its configuration keeps what it reports (docs/how-to/restore-a-backup.md).
"""

from __future__ import annotations

import sqlite3

import msgspec

from flotta.apiserver.errors import qualified_name
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.storage.checksums import checksum_row
from flotta.apiserver.storage.integrity import DatabaseError
from flotta.resources.kinds import EDGE_DEVICE, WITHHELD_ANNOTATION

RESOURCE = qualified_name(EDGE_DEVICE.plural, EDGE_DEVICE.group)


class ForeignDeviceError(DatabaseError):
    """An EdgeDevice of the database is not one that this program stores."""


class _Metadata(msgspec.Struct):
    annotations: dict[str, str] | None = None


class _Device(msgspec.Struct):
    """What is read of an EdgeDevice, to check its types."""

    metadata: _Metadata
    status: dict[str, msgspec.Raw] | None = None


def withhold_configurations(connection: sqlite3.Connection) -> None:
    """Annotate the EdgeDevices of a database whose objects are intact.

    Only those of devices that ever reported: a new one reports nothing before its configuration.
    The caller has a transaction. Raises ForeignDeviceError.
    """
    (version,) = connection.execute("SELECT version FROM counter").fetchone()
    keys = connection.execute(
        "SELECT namespace, name FROM objects WHERE resource = ?", (RESOURCE,)
    ).fetchall()
    for key in keys:
        query = "SELECT body FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
        (body,) = connection.execute(query, (RESOURCE, *key)).fetchone()
        device = _read_device(body, key)
        if not (device.get("status") or {}).get("lastSeenTime"):
            continue
        version += 1
        metadata = device["metadata"]
        annotations = {**(metadata.get("annotations") or {}), WITHHELD_ANNOTATION: "true"}
        # Clients that kept the object must see that it is another one.
        metadata |= {"annotations": annotations, "resourceVersion": str(version)}
        body = msgspec.json.encode(device)
        connection.execute(
            "UPDATE objects SET version = ?, body = ?, checksum = ? "
            "WHERE resource = ? AND namespace = ? AND name = ?",
            (version, body, checksum_row(RESOURCE, *key, version, body), RESOURCE, *key),
        )
    connection.execute("UPDATE counter SET version = ?", (version,))


def _read_device(body: bytes, key: tuple[str, str]) -> JsonObject:
    try:
        msgspec.json.decode(body, type=_Device)
        device: JsonObject = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ForeignDeviceError(f"EdgeDevice {'/'.join(key)} cannot be read: {error}") from error
    return device
