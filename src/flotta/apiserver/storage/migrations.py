"""The schema of the SQLite file, and how a file of an earlier release gets it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from flotta.apiserver.storage.checksums import checksum_row

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
    # The history is dropped, not converted: it can be larger than the memory and the disk, and
    # clients that watch list again. `changes` has only the states before changes: the state after
    # one is that before the next one, or the object itself.
    """
    CREATE TABLE counter (version INTEGER NOT NULL);
    INSERT INTO counter SELECT max(
        ifnull((SELECT max(version) FROM objects), 0), ifnull((SELECT max(version) FROM events), 0)
    );
    DROP TABLE events;
    CREATE TABLE changes (
        version INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        previous BLOB,
        checksum BLOB NOT NULL
    );
    ALTER TABLE objects ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';
    UPDATE objects SET checksum = checksum_row(resource, namespace, name, version, body);
    """,
)
"""Statement n migrates a file from user_version n to n + 1. Entries are only ever added."""


def format_version(connection: sqlite3.Connection) -> int:
    """Return the format version of a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, to: int = len(MIGRATIONS)) -> None:
    """Bring a file of an earlier format to a later one. Raises sqlite3.Error."""
    connection.create_function("checksum_row", -1, checksum_row, deterministic=True)
    for number in range(format_version(connection), to):
        connection.executescript(
            f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        )


def has_expected_schema(connection: sqlite3.Connection) -> bool:
    """Tell whether a file has exactly the tables of its format: no other one, view or trigger."""
    with closing(sqlite3.connect(":memory:")) as model:
        migrate(model, format_version(connection))
        return _schema(connection) == _schema(model)


def _schema(connection: sqlite3.Connection) -> list[tuple[bytes, ...]]:
    # As bytes: a damaged text may not be UTF-8. The statistics of ANALYZE, which an
    # administrator may have run, change no result.
    query = (
        "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) "
        "FROM sqlite_master WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') "
        "ORDER BY type, name"
    )
    rows = connection.execute(query).fetchall()
    # Earlier releases wrote the same text with another indentation.
    return [tuple(b" ".join((value or b"").split()) for value in row) for row in rows]
