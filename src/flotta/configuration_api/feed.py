"""What changed, in order: the feed that Edge APIs follow (GET changes).

A version is a number that only grows. Each start of the server begins a new stretch at a number
that no earlier start or copy of the database has given, so that an Edge API notices a database that
was restored or lost: what it knows is from before the stretch, and everything may have changed.
"""

from __future__ import annotations

import sqlite3
import time

from flotta.configuration_api.names import Name
from flotta.protocol.configuration_api import Changes

KEPT = 10_000  # changes; an Edge API that knows none of them reads everything again
MOST = 400  # devices in an answer, which therefore has less than 64 KiB


def begin_stretch(connection: sqlite3.Connection) -> None:
    """Forget what changed before; of an Edge API that followed, everything is asked for again."""
    version = max(current_version(connection) + 1, time.time_ns() // 1000)
    connection.execute("DELETE FROM changes")
    connection.execute("UPDATE feed SET floor = ?, version = ?", (version, version))


def note_change(connection: sqlite3.Connection, name: Name) -> None:
    """Note that what a device is to know or to do has changed."""
    version = current_version(connection) + 1
    connection.execute("UPDATE feed SET version = ?", (version,))
    connection.execute("INSERT INTO changes VALUES (?, ?, ?)", (version, *name))
    forgotten = version - KEPT
    connection.execute("DELETE FROM changes WHERE version <= ?", (forgotten,))
    connection.execute("UPDATE feed SET floor = max(floor, ?)", (forgotten,))


def current_version(connection: sqlite3.Connection) -> int:
    """Return the version of the newest change."""
    return int(connection.execute("SELECT version FROM feed").fetchone()[0])


def changes_after(connection: sqlite3.Connection, after: int) -> Changes:
    """Return what changed after a version, at most MOST devices, each once."""
    floor, version = connection.execute("SELECT floor, version FROM feed").fetchone()
    if not floor <= after <= version:
        return Changes(version=version, complete=False)
    rows = connection.execute(
        "SELECT version, namespace, id FROM changes WHERE version > ? ORDER BY version LIMIT ?",
        (after, MOST),
    ).fetchall()
    names = dict.fromkeys(f"{namespace}/{device_id}" for _, namespace, device_id in rows)
    return Changes(version=rows[-1][0] if rows else version, devices=list(names))
