"""The database in the format of the release before, for a control plane that goes back to it.

All objects stay, as they are now. The history of changes does not: clients that watch list again.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from flotta.apiserver.backup.contents import BackupError
from flotta.apiserver.storage.database import lock_database, read_objects
from flotta.apiserver.storage.former_copy import former_copy
from flotta.apiserver.storage.integrity import DatabaseError, check_counter, check_file
from flotta.apiserver.storage.migrations import MIGRATIONS, format_version, migrate
from flotta.durable_files import sync_directory

FORMER = 1  # the format of 0.1.0, which has `events` instead of `changes` and a counter
SUFFIXES = ("-wal", "-shm", ".version")  # what lies beside a database and belongs to it


def go_back(database: Path) -> int:
    """Put a database of the former format in place of this one; return how many objects it has.

    The current one stays beside it, as `former_copy` names it. Raises BackupError with what to do
    if the database is damaged, in use or in that format already, and for errors of the disk.
    """
    try:
        lock = lock_database(database)
    except (DatabaseError, OSError) as error:
        raise _refusal(error, database) from error
    fresh = database.with_name(f".{database.name}.going-back")
    try:
        objects = _convert(database, fresh)
        _put_in_place(database, fresh)
    except (sqlite3.Error, DatabaseError, OSError) as error:
        raise _refusal(error, database) from error
    finally:
        fresh.unlink(missing_ok=True)
        os.close(lock)
    return objects


def _refusal(error: Exception, database: Path) -> BackupError:
    """Return the error of a run that left the database as it was, with what to do."""
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        remedy = f". Free space in {database.parent} for a second copy of it, then run this again"
    elif isinstance(error, FileNotFoundError):
        remedy = ". Name the database with --database"
    elif isinstance(error, PermissionError):
        remedy = ". Run this as root"
    elif isinstance(error, DatabaseError):
        remedy = ""  # it says so itself
    else:
        remedy = f". Check the disk of {database.parent}, then run this again"
    return BackupError(f"nothing was changed: {error}{remedy}")


def _convert(database: Path, fresh: Path) -> int:
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with (
        closing(sqlite3.connect(database, isolation_level=None)) as source,
        closing(sqlite3.connect(fresh, isolation_level=None)) as target,
    ):
        _require_newest_format(source, database)
        migrate(target, to=FORMER)
        target.execute("BEGIN")
        rows = [
            (row.resource, row.namespace, row.name, row.version, row.body)
            for row in read_objects(source, database)
        ]
        target.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", rows)
        _continue_versions(source, target)
        target.execute("COMMIT")
        # Before the file gets a second name: that one has no log beside it.
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return len(rows)


def _require_newest_format(source: sqlite3.Connection, database: Path) -> None:
    check_file(source, database)
    if format_version(source) != len(MIGRATIONS):
        raise BackupError(
            f"nothing was changed: {database} is in the former format already. Install the release "
            "before, then start the services"
        )
    check_counter(source, database)


def _continue_versions(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Keep the newest version from being given again, although its object may be deleted.

    The former format has no counter: the newest change tells it. This one concerns no object.
    """
    (version,) = source.execute("SELECT version FROM counter").fetchone()
    body = json.dumps({"metadata": {"name": "going-back", "resourceVersion": str(version)}})
    change = (version, time.time(), "DELETED", "configmaps", "", "going-back", body.encode(), None)
    target.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", change)


def _put_in_place(database: Path, fresh: Path) -> None:
    status = database.stat()
    os.chown(fresh, status.st_uid, status.st_gid)
    kept = former_copy(database, len(MIGRATIONS))
    # There is a whole database under its name at any moment, even if this is interrupted.
    kept.unlink(missing_ok=True)
    os.link(database, kept)
    for suffix in SUFFIXES:
        beside = database.with_name(f"{database.name}{suffix}")
        if beside.exists():
            os.replace(beside, kept.with_name(f"{kept.name}{suffix}"))
    os.replace(fresh, database)
    sync_directory(database.parent)
