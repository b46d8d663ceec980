"""Copies of the database, made while the server runs, and put in its place while it does not.

A copy that is moved in place by hand is destroyed: SQLite plays what it kept beside the former file
(`-wal`) onto it. Rules for users: docs/reference/configuration-api.md#the-database.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from flotta.configuration_api.database import (
    APPLICATION,
    WAL_SUFFIXES,
    in_use,
    make_private_file,
    open_database,
    require_file,
    require_ours,
    translated,
)
from flotta.configuration_api.errors import DatabaseError
from flotta.durable_files import sync_directory


def back_up(path: Path, target: Path) -> None:
    """Write all of the database, of one moment, to a new file that only its owner may read.

    Raises DatabaseError, also if the file exists.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists already: name a new file")
    with in_use(path), closing(open_database(path)) as connection, _appearing(target) as written:
        _copy(connection, written)


def restore(path: Path, source: Path) -> None:
    """Put a copy in place of the database, which nobody may have open.

    Raises DatabaseError, and then the database is as it was.
    """
    if not source.is_file():
        raise DatabaseError(f"there is no file {source}; name one that `backup` has written")
    require_file(path, create=True)
    with _alone(path), _appearing(path) as written:
        uri = f"file:{quote(str(source.absolute()))}?mode=ro"
        with translated(source), closing(sqlite3.connect(uri, uri=True)) as connection:
            _require_whole(connection, source)
            _copy(connection, written)
        # Before the copy has its name: what is beside it would be played onto it.
        for suffix in WAL_SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the database alone, against `in_use`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseError(
                f"{path} is in use: stop the server (systemctl stop flotta-configuration-api) and "
                "try again"
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Yield a private file beside the target that gets its name, durably, if the block succeeds."""
    written = target.with_name(target.name + ".new")
    try:
        written.unlink(missing_ok=True)
        make_private_file(written)
        yield written
        written.replace(target)
        sync_directory(target.parent)
    except OSError as error:
        raise DatabaseError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        written.unlink(missing_ok=True)


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    """Copy a database as one file, without anything beside it, synced to the disk."""
    with translated(target), closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    with target.open("rb") as written:
        os.fsync(written.fileno())


def _require_whole(connection: sqlite3.Connection, source: Path) -> None:
    require_ours(connection, source)
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise DatabaseError(f"{source} is empty: name a file that `backup` has written")
    if (found := connection.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
        raise DatabaseError(f"{source} is damaged ({found}): restore another copy")
