"""Devices of a restored control plane get no configuration before they have shown what they run.

The backup does not know the workloads that were created after it. A configuration without them
would make devices remove these with their files, which nobody asked for. The Edge API releases a
device once its configuration keeps what it reports (docs/how-to/restore-a-backup.md).
"""

from __future__ import annotations

import sqlite3

import msgspec

from flotta.apiserver.errors import qualified_name
from flotta.apiserver.storage.checksums import checksum_row
from flotta.resources.kinds import EDGE_DEVICE, WITHHELD_ANNOTATION

RESOURCE = qualified_name(EDGE_DEVICE.plural, EDGE_DEVICE.group)


def withhold_configurations(connection: sqlite3.Connection) -> None:
    """Annotate the EdgeDevices of a database whose objects are intact.

    Only those of devices that ever reported: a new one reports nothing before its configuration.
    """
    (version,) = connection.execute("SELECT version FROM counter").fetchone()
    keys = connection.execute(
        "SELECT namespace, name FROM objects WHERE resource = ?", (RESOURCE,)
    ).fetchall()
    connection.execute("BEGIN")
    for key in keys:
        query = "SELECT body FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
        (body,) = connection.execute(query, (RESOURCE, *key)).fetchone()
        device = msgspec.json.decode(body)
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
    connection.execute("COMMIT")
