"""The connection to the state database, which always works: on disk or, while it must, in memory.

1. A damaged file, wherever the damage is found, is kept beside for inspection and replaced.
2. While the file cannot be used (full or read-only disk, no permission, the format of a newer
   release), what is remembered is in memory, with what could be read of the file.
3. `heal` goes back to the file as soon as that works, with everything remembered meanwhile.

Losing the file loses no data (docs/reference/device.md#state-database).
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from flotta.disk_reserve import ReserveReached, check_room
from flotta.protocol.reasons.device_programs import STATE_UNREADABLE, SYNC_STATE_UNAVAILABLE
from flotta.protocol.reasons.reason import Code
from flotta.protocol.reasons.workloads import DISK_RESERVE_REACHED
from flotta.sync.model import SyncError

log = logging.getLogger(__name__)

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
BUSY_TIMEOUT = 5.0  # seconds; nobody else uses the file
CACHE = 512  # KiB
MAX_COPIED = 64 << 20  # bytes of a file that is copied into memory
SQLITE_ERROR = 1  # a table is missing, for example (sqlite.org/rescode.html)
# Python reads the texts of a damaged file, also those of SQLite's own messages.
PROBLEMS = (sqlite3.Error, UnicodeDecodeError, OSError, SyncError)


class Problem(NamedTuple):
    """Why the file cannot be used: a code and a sentence without it."""

    reason: Code
    message: str


class StateConnection:
    """Runs operations as durable transactions, from any thread.

    `migrations` bring the database from the version of their index to the next one.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._path = path
        self._migrations = migrations
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self.problem: Problem | None = None  # why the file is not used, None if it is

    def run(self, operation: Operation[T], *, grows: bool = False) -> T:
        """Return the result of an operation; `grows` leaves the reserve of the disk free."""
        with self._lock:
            try:
                if grows and not self.problem:
                    check_room(self._path)
                return self._run_once(operation)
            except PROBLEMS as error:
                self._replace(error)
            return self._run_once(operation)

    def heal(self) -> None:
        """Use the file again if that is possible now."""
        with self._lock:
            if not self.problem or self._connection is None:
                return
            try:
                disk = self._copy_to_disk(self._connection)
            except PROBLEMS as error:
                self.problem = _describe(error)
                return
            self._connection.close()
            self._connection, self.problem = disk, None
            log.info("%s is used again", self._path)

    def remove(self) -> None:
        """Forget everything and remove the files; the next operation makes a new one."""
        with self._lock:
            self.close()
            self.problem = None
            for path in self._path.parent.glob(f"{self._path.stem}.*"):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database; the next operation opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run_once(self, operation: Operation[T]) -> T:
        if self._connection is None:
            self._connection = self._open_or_replace()
        with self._connection:
            return operation(self._connection)

    def _replace(self, error: Exception) -> None:
        """Continue with another database than the one that failed."""
        failed, self._connection = self._connection, None
        if failed is not None and not self.problem and _is_damage(error):
            with contextlib.suppress(*PROBLEMS):
                failed.close()
                self._set_aside(error)
                self._connection = self._connect()
                return
        problem = _describe(error)
        if not self.problem:
            log.error(
                "What is synchronised is kept in memory: %s [%s]", problem.message, problem.reason
            )
        self._connection = self._copy_into_memory(failed)
        self.problem = problem

    def _copy_to_disk(self, memory: sqlite3.Connection) -> sqlite3.Connection:
        check_room(self._path)
        disk = self._open_or_replace()
        try:
            memory.backup(disk)
        except BaseException:
            disk.close()
            raise
        return disk

    def _copy_into_memory(self, failed: sqlite3.Connection | None) -> sqlite3.Connection:
        """Return a database in memory with what can be read of the one that failed."""
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        _prepare(memory, self._migrations)
        if self.problem is None:
            with contextlib.suppress(*PROBLEMS):
                self._copy_file(failed, memory)
        return memory

    def _copy_file(self, failed: sqlite3.Connection | None, memory: sqlite3.Connection) -> None:
        if self._path.stat().st_size > MAX_COPIED:
            return
        with contextlib.closing(failed or self._open_for_reading()) as source:
            (version,) = source.execute("PRAGMA user_version").fetchone()
            if version == len(self._migrations):
                source.backup(memory)

    def _open_for_reading(self) -> sqlite3.Connection:
        # On a full disk nothing else opens it. What is not in the main file yet is left out.
        return sqlite3.connect(
            f"{self._path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False
        )

    def _open_or_replace(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
            return self._connect()

    def _set_aside(self, error: Exception) -> None:
        log.warning(
            "%s is damaged (%s): it is replaced, content is compared again [%s]",
            self._path,
            error,
            STATE_UNREADABLE,
        )
        self._path.replace(self._path.with_suffix(".damaged"))
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = sqlite3.connect(self._path, check_same_thread=False, timeout=BUSY_TIMEOUT)
        try:
            disk.execute("PRAGMA journal_mode = WAL")
            disk.execute("PRAGMA synchronous = FULL")
            return _prepare(disk, self._migrations, self._path)
        except BaseException:
            disk.close()
            raise


def _prepare(
    database: sqlite3.Connection, migrations: Sequence[str], path: Path | None = None
) -> sqlite3.Connection:
    """Bring the database to the newest version; raises SyncError for one that is newer."""
    database.execute(f"PRAGMA cache_size = -{CACHE}")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise SyncError(
            f"{path} was written by a newer version (state {version}, this program knows"
            f" {len(migrations)}); install that version again or remove the file"
        )
    for number, migration in enumerate(migrations[version:], start=version + 1):
        database.executescript(f"BEGIN; {migration} PRAGMA user_version = {number}; COMMIT;")
    return database


def _is_damage(error: Exception) -> bool:
    """Tell whether the file is not the database that it should be, unlike one that is refused."""
    if isinstance(error, sqlite3.OperationalError):
        # Without a code it is Python's own: a text that is not UTF-8.
        return getattr(error, "sqlite_errorcode", SQLITE_ERROR) == SQLITE_ERROR
    return isinstance(error, sqlite3.Error | UnicodeDecodeError)


def _describe(error: Exception) -> Problem:
    if isinstance(error, ReserveReached):
        return Problem(DISK_RESERVE_REACHED, error.sentence)
    if isinstance(error, SyncError):
        return Problem(SYNC_STATE_UNAVAILABLE, str(error))
    sentence = f"the state of the synchronisation cannot be kept on disk: {error}"
    return Problem(SYNC_STATE_UNAVAILABLE, sentence)
