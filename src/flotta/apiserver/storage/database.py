"""The SQLite file: its schema, its migrations, and the lock that admits only one process.

Rules: docs/reference/resource-api.md#storage-and-durability.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

MIGRATIONS = (
    """
    CREATE TABLE objects (
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (resource, namespace, name)
    );
    CREATE TABLE events (
        version INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        type TEXT NOT NULL,
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        body BLOB NOT NULL,
        previous BLOB
    );
    """,
)
"""Statement n migrates a file from user_version n to n + 1. Entries are only ever added."""


class DatabaseError(Exception):
    """The database file cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class EventRow:
    """A change as it is stored: the object after it and, if it existed, before it."""

    version: int
    at: float
    type: str
    resource: str
    namespace: str
    name: str
    body: bytes
    previous: bytes | None


class Database:
    """An open SQLite file. After the start only the writer thread calls `write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(path)
        self._connection = _connect(path)
        _migrate(self._connection, path)

    def objects(self) -> Iterator[tuple[str, str, str, int, bytes]]:
        """Yield every stored object as (resource, namespace, name, version, body)."""
        query = "SELECT resource, namespace, name, version, body FROM objects"
        with closing(self._connection.execute(query)) as rows:
            yield from rows

    def events(self) -> Iterator[EventRow]:
        """Yield the stored changes, oldest first."""
        query = (
            "SELECT version, at, type, resource, namespace, name, body, previous "
            "FROM events ORDER BY version"
        )
        with closing(self._connection.execute(query)) as rows:
            for row in rows:
                yield EventRow(*row)

    def write(self, events: Iterable[EventRow], forget_before: int) -> None:
        """Store changes durably in one transaction; forget changes older than a version."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for event in events:
                _write_event(connection, event)
            connection.execute("DELETE FROM events WHERE version < ?", (forget_before,))
            connection.execute("COMMIT")
        except BaseException:  # whatever happened, no transaction may stay open
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file and release the lock."""
        self._connection.close()
        os.close(self._lock)


def _write_event(connection: sqlite3.Connection, event: EventRow) -> None:
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.version,
            event.at,
            event.type,
            event.resource,
            event.namespace,
            event.name,
            event.body,
            event.previous,
        ),
    )
    key = (event.resource, event.namespace, event.name)
    if event.type == "DELETED":
        connection.execute(
            "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", key
        )
        return
    connection.execute(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET version = excluded.version, body = excluded.body",
        (*key, event.version, event.body),
    )


def _lock(path: Path) -> int:
    """Take a lock beside the file, which lasts as long as the process."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DatabaseError(f"{path} is in use by another flotta-apiserver") from error
    return descriptor


def _connect(path: Path) -> sqlite3.Connection:
    # The file contains Secrets: it is created private, and SQLite gives the -wal file its mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL can lose the last transactions when the power fails, after clients
        # got the answer that they are stored.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        raise DatabaseError(f"{path} is not a usable SQLite file: {error}") from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > len(MIGRATIONS):
        raise DatabaseError(
            f"{path} was written by a newer flotta-apiserver (format {found}, this program knows "
            f"up to {len(MIGRATIONS)}): install that version, or restore a copy made before"
        )
    for number in range(found, len(MIGRATIONS)):
        connection.executescript(
            f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        )
