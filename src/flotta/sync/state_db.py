"""The state database: what each side of every path looked like when it was last synchronised.

SQLite in WAL mode with synchronous=FULL: a committed row survives power loss. Losing the file loses
no data: content is then compared once by checksum and nothing equal is sent again
(docs/reference/device.md#state-database).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flotta.sync.model import Direction, FileStat, SyncStatus
from flotta.sync.state_connection import Problem, StateConnection

# Each entry brings the database from the version of its index to the next one.
MIGRATIONS = (
    """
    CREATE TABLE file (
        workload TEXT NOT NULL, direction TEXT NOT NULL, path TEXT NOT NULL, key TEXT NOT NULL,
        size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, digest TEXT,
        etag TEXT, remote_size INTEGER, modified TEXT,
        pending INTEGER NOT NULL DEFAULT 0, upload_id TEXT,
        PRIMARY KEY (workload, direction, path, key)
    ) WITHOUT ROWID;
    CREATE TABLE workload (
        name TEXT PRIMARY KEY, last_upload TEXT,
        files_up INTEGER NOT NULL DEFAULT 0, files_down INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
)
FILE_COLUMNS = 14  # of the table `file`


@dataclass(frozen=True)
class FileRecord:
    """What is remembered of one file. `pending`: a transfer was begun and its outcome is not known.

    `digest` is the MD5 of the content; `etag`, `remote_size` and `modified` are as the bucket says.
    """

    path: str
    key: str
    stat: FileStat | None = None
    digest: str | None = None
    etag: str | None = None
    remote_size: int | None = None
    modified: str | None = None
    pending: bool = False
    upload_id: str | None = None


class StateDatabase:
    """Every method is one durable transaction and may be called from any thread.

    None raises an error of the disk: see `state_connection`.
    """

    def __init__(self, path: Path) -> None:
        self._connection = StateConnection(path, MIGRATIONS)

    @property
    def problem(self) -> Problem | None:
        """Why nothing is kept on disk, None when it is."""
        return self._connection.problem

    def heal(self) -> None:
        """Keep the state on disk again if that is possible now."""
        self._connection.heal()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def load_records(
        self, workload: str, direction: Direction
    ) -> dict[tuple[str, str], FileRecord]:
        """Return every remembered path of one workload by (path, key)."""

        def load(connection: sqlite3.Connection) -> dict[tuple[str, str], FileRecord]:
            cursor = connection.cursor()
            cursor.row_factory = sqlite3.Row
            cursor.execute(
                "SELECT path, key, size, mtime_ns, ctime_ns, inode, digest, etag, remote_size,"
                " modified, pending, upload_id FROM file WHERE workload = ? AND direction = ?",
                (workload, direction),
            )
            return {(record.path, record.key): record for record in map(_read_record, cursor)}

        return self._connection.run(load)

    def save_records(
        self,
        workload: str,
        direction: Direction,
        records: Iterable[FileRecord],
        transferred: int = 0,
    ) -> None:
        """Store records, replacing what was remembered of the same paths, and count transfers."""
        values = [(workload, direction, *_column_values(record)) for record in records]

        def save(connection: sqlite3.Connection) -> None:
            connection.executemany(
                f"INSERT OR REPLACE INTO file VALUES ({', '.join('?' * FILE_COLUMNS)})",  # noqa: S608
                values,
            )
            if transferred:
                _count_files(connection, workload, direction, transferred)

        self._connection.run(save, grows=True)

    def mark_pending(
        self, workload: str, direction: Direction, records: Iterable[FileRecord]
    ) -> None:
        """Note that transfers of already remembered paths begin; a crash then leaves a trace."""
        keys = [(workload, direction, record.path, record.key) for record in records]
        self._execute_many(
            "UPDATE file SET pending = 1"
            " WHERE workload = ? AND direction = ? AND path = ? AND key = ?",
            keys,
        )

    def save_upload_id(self, workload: str, path: str, key: str, upload_id: str) -> None:
        """Remember a multipart upload before its first part is sent."""
        self._execute_many(
            "INSERT INTO file(workload, direction, path, key, pending, upload_id)"
            " VALUES (?, 'up', ?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET pending = 1, upload_id = excluded.upload_id",
            [(workload, path, key, upload_id)],
            grows=True,
        )

    def delete_records(
        self, workload: str, direction: Direction, records: Iterable[FileRecord]
    ) -> None:
        """Forget paths that no longer need a record."""
        keys = [(workload, direction, record.path, record.key) for record in records]
        self._execute_many(
            "DELETE FROM file WHERE workload = ? AND direction = ? AND path = ? AND key = ?", keys
        )

    def delete_workload(self, workload: str) -> None:
        """Forget everything about one workload."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM file WHERE workload = ?", (workload,))
            connection.execute("DELETE FROM workload WHERE name = ?", (workload,))

        self._connection.run(delete)

    def wipe(self) -> None:
        """Forget everything and remove the file; raises OSError."""
        self._connection.remove()

    def switch_bucket(self, identity: str) -> None:
        """Set the bucket; what is remembered of another one is dropped."""

        def switch(connection: sqlite3.Connection) -> None:
            query = "SELECT value FROM setting WHERE name = 'bucket'"
            known = connection.execute(query).fetchone()
            if known == (identity,):
                return
            if known:
                connection.execute("DELETE FROM file")
            connection.execute("INSERT OR REPLACE INTO setting VALUES ('bucket', ?)", (identity,))

        self._connection.run(switch)

    def delete_upload_records(self) -> None:
        """Drop what is remembered as sent: a new bucket of the same name is empty."""
        self._execute_many("DELETE FROM file WHERE direction = ?", [("up",)])

    def load_statuses(self) -> dict[str, SyncStatus]:
        """Return the persisted counters of every workload, without errors."""

        def load(connection: sqlite3.Connection) -> dict[str, SyncStatus]:
            query = "SELECT name, last_upload, files_up, files_down FROM workload"
            return dict(map(_read_status, connection.execute(query)))

        return self._connection.run(load)

    def _execute_many(
        self, statement: str, values: Sequence[tuple[str, ...]], *, grows: bool = False
    ) -> None:
        self._connection.run(
            lambda connection: connection.executemany(statement, values), grows=grows
        )


def _count_files(
    connection: sqlite3.Connection, workload: str, direction: Direction, files: int
) -> None:
    column = "files_up" if direction == "up" else "files_down"
    moment = datetime.now(UTC).isoformat() if direction == "up" else None
    connection.execute("INSERT OR IGNORE INTO workload(name) VALUES (?)", (workload,))
    connection.execute(
        f"UPDATE workload SET {column} = {column} + ?,"  # noqa: S608
        " last_upload = coalesce(?, last_upload) WHERE name = ?",
        (files, moment, workload),
    )


def _read_status(row: tuple[str, str | None, int, int]) -> tuple[str, SyncStatus]:
    name, last, up, down = row
    try:
        return name, SyncStatus(datetime.fromisoformat(last) if last else None, int(up), int(down))
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"a counter is not one: {error}") from error


def _read_record(row: sqlite3.Row) -> FileRecord:
    """Return what a row says; raises sqlite3.DatabaseError for values of other types."""
    texts = [row[name] for name in ("path", "key", "digest", "etag", "modified", "upload_id")]
    numbers = [row[name] for name in ("size", "mtime_ns", "ctime_ns", "inode", "remote_size")]
    typed = all(isinstance(text, str | None) for text in texts)
    if not typed or not all(isinstance(number, int | None) for number in numbers):
        raise sqlite3.DatabaseError("a row has values of other types")
    return FileRecord(
        path=row["path"],
        key=row["key"],
        stat=_read_stat(row),
        digest=row["digest"],
        etag=row["etag"],
        remote_size=row["remote_size"],
        modified=row["modified"],
        pending=bool(row["pending"]),
        upload_id=row["upload_id"],
    )


def _read_stat(row: sqlite3.Row) -> FileStat | None:
    if row["size"] is None:
        return None
    return FileStat(row["size"], row["mtime_ns"], row["ctime_ns"], row["inode"])


def _column_values(record: FileRecord) -> Iterator[object]:
    stat = record.stat
    yield from (record.path, record.key)
    yield from (stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode) if stat else (None,) * 4
    yield from (
        record.digest,
        record.etag,
        record.remote_size,
        record.modified,
        int(record.pending),
        record.upload_id,
    )
