"""The SQLite file: how it is opened, checked, read and written, by one process at a time.

Rules: docs/reference/resource-api.md#storage-and-durability.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flotta.apiserver.storage.checksums import checksum_row
from flotta.apiserver.storage.former_copy import keep_former_copy
from flotta.apiserver.storage.integrity import (
    DatabaseError,
    check_counter,
    check_file,
    damaged,
    lost,
)
from flotta.apiserver.storage.migrations import MIGRATIONS, format_version, migrate
from flotta.apiserver.storage.reserve import Reserve
from flotta.apiserver.storage.version_record import VersionRecord, Versions

OBJECT_TYPES = (str, str, str, int, bytes)  # of the columns of an object
HEADER_BYTES = 100  # of an SQLite file; SQLite takes a shorter one for a new one
WAL_BYTES = 16 * 1024 * 1024  # to which a larger write-ahead log is cut after a checkpoint
FREE_BYTES = 64 * 1024 * 1024  # of free pages, above which the file shrinks
SHRINK_PAGES = 256  # given back in a step, so that the write-ahead log stays small
# What SQLite reports when a file cannot grow. A quota or a limit on the size of files is not
# SQLITE_FULL but a failed write (os_unix.c).
FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}


class FullDiskError(Exception):
    """There is no room for a transaction; nothing of it was stored."""


@dataclass(frozen=True)
class ObjectRow:
    """An object as it is stored."""

    resource: str
    namespace: str
    name: str
    version: int
    body: bytes


@dataclass(frozen=True)
class ChangeRow:
    """A change: the state after it (None: deleted) and, if there was one, that before it."""

    version: int
    type: str
    resource: str
    namespace: str
    name: str
    body: bytes | None
    previous: bytes | None


class Database:
    """An open SQLite file. After the start only the writer thread calls `write` and `shrink`.

    Raises DatabaseError with a sentence if the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = lock_database(path, create=True)
        try:
            self._record = VersionRecord(path)
            recorded = self._record.read()
            self._connection = _connect_on_any_disk(path)
            self._given = self._check_loss(recorded)
        except BaseException:  # whatever happened, another attempt must get the lock
            os.close(self._lock)
            raise

    def _check_loss(self, recorded: Versions | None) -> int:
        """Return a version that is not below any that was given."""
        stored = self._stored_version()
        if recorded is None:
            self._record.settle(stored, stored)
            return stored
        if stored < recorded.acknowledged:
            self._connection.close()
            raise lost(self.path, recorded.acknowledged, stored)
        return max(stored, recorded.promised)

    def version(self) -> int:
        """Return a version that is not below any that was ever given; most often the newest."""
        return max(self._given, self._stored_version())

    def _stored_version(self) -> int:
        return int(self._connection.execute("SELECT version FROM counter").fetchone()[0])

    def objects(self) -> Iterator[ObjectRow]:
        """Yield every stored object. Raises DamagedDatabaseError at one that was changed."""
        yield from read_objects(self._connection, self.path)

    def changes(self) -> Iterator[ChangeRow]:
        """Yield the stored changes without the states after them, newest first.

        Ends before a damaged one: clients that need older changes list again.
        """
        query = (
            "SELECT version, type, resource, namespace, name, previous, checksum "
            "FROM changes ORDER BY version DESC"
        )
        with closing(self._connection.execute(query)) as rows:
            for *values, previous, checksum in rows:
                if checksum != checksum_row(*values, previous):
                    return
                version, kind, *key = values
                yield ChangeRow(version, kind, key[0], key[1], key[2], None, previous)

    def write(self, rows: Iterable[ChangeRow], forget_before: int, *, history: bool = True) -> None:
        """Store changes durably in one transaction; forget those older than a version.

        Without `history`, all changes are forgotten, which frees room. Raises FullDiskError.
        """
        changes = list(rows)
        newest = max((row.version for row in changes), default=0)
        self._record.promise(newest)
        with _transaction(self._connection) as connection:
            if history:
                connection.execute("DELETE FROM changes WHERE version < ?", (forget_before,))
            else:
                connection.execute("DELETE FROM changes")
            for row in changes:
                _write_row(connection, row, history=history)
        self._record.acknowledge(newest)

    def shrink(self, above: int = FREE_BYTES, steps: int = 1) -> None:
        """Give some room back to the file system if more than `above` bytes of the file are free.

        Room that is not given back is used again by later changes, and so is the write-ahead log,
        which keeps its size: on a full disk others would take its room.
        """
        for _ in range(steps):
            if self._free_bytes() <= above:
                return
            self._connection.execute(f"PRAGMA incremental_vacuum({SHRINK_PAGES})").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _free_bytes(self) -> int:
        free, size = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_size")
        )
        return free * size

    def close(self) -> None:
        """Close the file and release the lock."""
        with suppress(sqlite3.Error):  # of a damaged file: what was recorded stays
            self._record.settle(self._stored_version(), self.version())
        self._connection.close()
        os.close(self._lock)


def read_objects(connection: sqlite3.Connection, path: Path) -> Iterator[ObjectRow]:
    """Yield every object of a database. Raises DamagedDatabaseError at one that was changed."""
    query = "SELECT resource, namespace, name, version, body, checksum FROM objects"
    try:
        with closing(connection.execute(query)) as rows:
            for *values, checksum in rows:
                row = ObjectRow(*values)
                # A changed type, as of a text that became bytes, is not in the checksum.
                types = tuple(map(type, values))
                if checksum != checksum_row(*values) or types != OBJECT_TYPES:
                    what = f"{row.resource} {row.namespace}/{row.name} is not as it was written"
                    raise damaged(path, what)
                yield row
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error


STOP = "Stop it first: systemctl stop flotta-operator flotta-edge-api flotta-s3 flotta-apiserver"


def lock_database(path: Path, *, create: bool = False) -> int:
    """Lock a database for this process; return the descriptor that holds the lock.

    The file itself is locked, whatever the name by which it was opened. flock(2) does not meet
    the locks of SQLite, which are those of fcntl(2). Raises DatabaseError if it is in use, and
    FileNotFoundError without `create`.
    """
    # The file contains Secrets: it is created private, and SQLite gives the -wal file its mode.
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    is_new = not path.exists()
    if is_new and create:
        _require_no_trace(path)
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_new and os.fstat(descriptor).st_size < HEADER_BYTES:
            raise damaged(path, "it is empty or nearly so")
    except BlockingIOError as error:
        os.close(descriptor)
        raise DatabaseError(f"{path} is in use by another flotta-apiserver. {STOP}") from error
    except DatabaseError:
        os.close(descriptor)
        raise
    return descriptor


def _require_no_trace(path: Path) -> None:
    """Refuse to begin an empty database where there was one: somebody lost or moved the file."""
    for suffix in ("-wal", ".reserve", ".version"):
        trace = path.with_name(f"{path.name}{suffix}")
        if trace.exists() and trace.stat().st_size:
            raise damaged(
                path,
                f"it is missing, while {trace.name} is there; without that, too, the server "
                "begins without objects",
            )


def _connect_on_any_disk(path: Path) -> sqlite3.Connection:
    """Open a database; on a full disk with the room of the reserve."""
    try:
        return _connect(path)
    except FullDiskError:
        Reserve(path).give_up()
    try:
        return _connect(path)
    except FullDiskError as error:
        why = f"the disk of {path} is full ({error})"
        raise DatabaseError(
            f"{why}: free some MiB on it; the server then starts by itself"
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode in FULL_CODES:
            raise FullDiskError(str(error)) from error
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # tables are missing, or there already
            raise damaged(path, str(error)) from error
        raise DatabaseError(f"{path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise damaged(path, str(error)) from error
    except DatabaseError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Only before the first table; the file of an earlier release gets it when it is rewritten.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL can lose the last transactions when the power fails, after clients
    # got the answer that they are stored.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    check_file(connection, path)
    if format_version(connection) == 0 and Reserve(path).exists():
        raise damaged(path, f"it has no tables; {path.name}-wal, which had them, may be lost")
    found = format_version(connection)
    if found < len(MIGRATIONS):
        if found:
            keep_former_copy(connection, path, found)
        migrate(connection)
        _rewrite(connection)
    check_counter(connection, path)


def _rewrite(connection: sqlite3.Connection) -> None:
    """Make the file as small as its content, and able to shrink from now on."""
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in FULL_CODES:
            raise
        # There is no room for a second copy. The file can be used as it is: it does not grow
        # before its free pages are used.


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:  # whatever happened, no transaction may stay open
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if getattr(error, "sqlite_errorcode", None) in FULL_CODES:
            raise FullDiskError(str(error)) from error
        raise


def _write_row(connection: sqlite3.Connection, row: ChangeRow, *, history: bool) -> None:
    key = (row.resource, row.namespace, row.name)
    if history:
        values = (row.version, row.type, *key)
        connection.execute(
            "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, row.previous, checksum_row(*values, row.previous)),
        )
    connection.execute("UPDATE counter SET version = ?", (row.version,))
    if row.body is None:
        connection.execute(
            "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", key
        )
        return
    connection.execute(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "version = excluded.version, body = excluded.body, checksum = excluded.checksum",
        (*key, row.version, row.body, checksum_row(*key, row.version, row.body)),
    )
