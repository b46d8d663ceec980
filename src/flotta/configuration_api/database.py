"""The SQLite file: how it is opened and written, by the server and by commands at the same time.

1. What was answered is durable: a transaction is synced to the disk before anybody is told.
2. The file has mode 0600, because configurations have Secrets in them.
3. A file of somebody else, or of a later release, is refused before anything in it changes.
4. Whoever has it open holds a shared lock on it (flock(2)), so a copy is put in place of it only
   while nobody has: what SQLite keeps beside the file would be played onto the copy.

Rules for users: docs/reference/configuration-api.md#the-database.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from flotta.configuration_api.errors import BusyDatabaseError, DatabaseError, FullDiskError

T = TypeVar("T")
APPLICATION = 0x666C6361  # `flca`, in the header of the file
FORMAT = 1  # of the tables; a later release may add to them
BUSY_SECONDS = 10.0  # that a command waits for another process that writes
WAL_SUFFIXES = ("-wal", "-shm", "-journal")  # of what SQLite keeps beside the file
PRIVATE = 0o600
RESTORE = "`flotta-configuration-api restore FILE`"
WAL_BYTES = 16 * 1024 * 1024  # to which a larger write-ahead log is cut after a checkpoint
# What SQLite reports when a file cannot grow; a quota is a failed write (os_unix.c).
FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
TABLES = """
CREATE TABLE devices (
  namespace TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (namespace, id)
) WITHOUT ROWID;
CREATE INDEX devices_by_state ON devices (state);
CREATE TABLE reports (
  namespace TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (namespace, id)
);
CREATE TABLE configurations (
  namespace TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, content BLOB NOT NULL,
  PRIMARY KEY (namespace, id)
);
CREATE TABLE changes (
  version INTEGER PRIMARY KEY, namespace TEXT NOT NULL, id TEXT NOT NULL
);
CREATE TABLE feed (floor INTEGER NOT NULL, version INTEGER NOT NULL);
INSERT INTO feed VALUES (0, 0);
"""


@contextmanager
def in_use(path: Path, *, create: bool = False) -> Iterator[None]:
    """Keep a copy from being put in place of the file, which is made with `create`.

    The block must contain the whole life of all connections to it: when a descriptor of a file is
    closed, the locks of SQLite on it are gone. Raises DatabaseError.
    """
    require_file(path, create=create)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _not_openable(f"the database {path}", error.strerror) from error
    try:
        _share(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _share(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DatabaseError(f"{path} is being restored: try again when it is done") from error


def open_database(
    path: Path, *, create: bool = False, patience: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """Open the file, which is made with `create`; the connection may be used by any one thread.

    `patience` are the seconds that it waits for another process that writes. Raises DatabaseError.
    """
    require_file(path, create=create)
    with translated(path):
        connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def translated(path: Path | None = None) -> Iterator[None]:
    """Raise what SQLite raises in the block as DatabaseError, with what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Make what the block writes durable as a whole, or nothing of it; raises DatabaseError."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:  # whatever happened, no transaction may stay open
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise _translate(error, None) from error
        raise


class FileIdentity:
    """Which file was opened: one that is put in its place is another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._look()

    def require_same(self) -> None:
        """Raise DatabaseError if the path leads to another file, or to none.

        What is written to the opened one would be lost when it is closed.
        """
        if self._look() != self._opened:
            raise DatabaseError(
                f"{self._path} was replaced or removed while the server runs: stop the server, "
                f"put a copy in place with {RESTORE}, and start it again"
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def write_once(path: Path, job: Callable[[sqlite3.Connection], T]) -> T:
    """Do what one command writes; raises DatabaseError."""
    with in_use(path), closing(open_database(path)) as connection, transaction(connection):
        return job(connection)


def read_once(path: Path, job: Callable[[sqlite3.Connection], T]) -> T:
    """Do what one command reads, of one moment; raises DatabaseError."""
    with in_use(path), closing(open_database(path)) as connection, translated(path):
        connection.execute("BEGIN")
        return job(connection)


def require_file(path: Path, *, create: bool) -> None:
    """Make the file private before SQLite opens it: it gives its -wal file the same mode.

    Raises DatabaseError.
    """
    if path.exists():
        if not path.is_file():
            raise DatabaseError(f"{path} is not a file; name the database with --database")
        _require_private(path)
        return
    if not create:
        raise DatabaseError(
            f"there is no database {path}; name it with --database, or start the server once"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private_file(path)
    except OSError as error:
        raise DatabaseError(f"{path} cannot be made: {error.strerror}") from error


def make_private_file(path: Path) -> None:
    """Make an empty file for the owner of its directory; raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        if os.geteuid() == 0:  # the service has to write what an administrator made first
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def _require_private(path: Path) -> None:
    """Take from others what a copy may have given them: configurations have Secrets in them."""
    for file in (path, *(path.with_name(path.name + suffix) for suffix in WAL_SUFFIXES)):
        try:
            if stat.S_IMODE(file.stat().st_mode) & ~PRIVATE:
                file.chmod(PRIVATE)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _not_openable(f"the database {path}", error.strerror) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    require_ours(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL could lose the last transactions when the power fails, after they were answered.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # Secrets do not stay in free pages
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    if _pragma(connection, "user_version") == 0:
        with transaction(connection):
            _create_tables(connection)


def require_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseError for a file of another program, or of a later release."""
    application = _pragma(connection, "application_id")
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if application != APPLICATION and tables:
        raise DatabaseError(
            f"{path} is the database of another program; name another file with --database"
        )
    found = _pragma(connection, "user_version")
    if found > FORMAT:
        raise DatabaseError(
            f"{path} has format {found}, and this release knows {FORMAT}: use the release that "
            "wrote it, or a later one"
        )


def _create_tables(connection: sqlite3.Connection) -> None:
    """Another process may have made them meanwhile."""
    if _pragma(connection, "user_version"):
        return
    for statement in filter(str.strip, TABLES.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _translate(error: sqlite3.Error, path: Path | None) -> DatabaseError:
    """Return the error with what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0)
    database = f"the database {path}" if path else "the database"
    if code in FULL_CODES:
        return FullDiskError(
            f"the disk of {database} is full, nothing was stored: free room on it and try again"
        )
    if code & 0xFF in BUSY_CODES:
        return BusyDatabaseError(
            f"{database} is being written by another process for too long: try again"
        )
    if code & 0xFF == sqlite3.SQLITE_READONLY or code & 0xFF == sqlite3.SQLITE_CANTOPEN:
        return _not_openable(database, str(error))
    if code & 0xFF == sqlite3.SQLITE_NOTADB:
        return DatabaseError(
            f"{path or database} is not a database, or its beginning is damaged: name another file "
            f"with --database, or restore a copy with {RESTORE}"
        )
    if code & 0xFF == sqlite3.SQLITE_CORRUPT:
        return DatabaseError(
            f"{database} is damaged ({error}): restore a copy with {RESTORE}. Devices keep running "
            "meanwhile"
        )
    return DatabaseError(f"{database} cannot be used: {error}")


def _not_openable(database: str, cause: str | None) -> DatabaseError:
    return DatabaseError(
        f"{database} cannot be opened ({cause}): run the command as its owner, or as root"
    )
