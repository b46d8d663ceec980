"""What a database file must be before anything of it is used; it may come from somebody else.

Rules: docs/reference/resource-api.md#a-damaged-database.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flotta.apiserver.storage.migrations import (
    MIGRATIONS,
    format_version,
    has_expected_schema,
)

MAX_VERSION = 2**62  # the newest version with which a server starts; SQLite counts to 2**63


class DatabaseError(Exception):
    """The database file cannot be used; the text says why and what to do."""


class DamagedDatabaseError(DatabaseError):
    """What is in the file is not what was written. Starting again does not help."""


class NewerDatabaseError(DatabaseError):
    """A newer release wrote the file. Starting again does not help."""


def damaged(path: Path, why: str) -> DamagedDatabaseError:
    """Return the error for a damaged file, with what to do."""
    return DamagedDatabaseError(
        f"{path} is damaged ({why}). Nothing was changed. Restore a backup with "
        "`flotta-apiserver restore --force overwrite FILE`, which keeps the damaged file beside "
        "the new one, then start flotta-apiserver again"
    )


def lost(path: Path, acknowledged: int, found: int) -> DamagedDatabaseError:
    """Return the error for a database that ends before what clients know, with what to do."""
    return DamagedDatabaseError(
        f"{path} is damaged (it ends at version {found}, and changes up to {acknowledged} were "
        f"acknowledged: {path.name}-wal was lost or damaged, or the file is an older copy). "
        "Restore a backup with `flotta-apiserver restore --force overwrite FILE`, or continue with "
        "what is left with `flotta-apiserver accept-loss`, then start flotta-apiserver again"
    )


def check_file(connection: sqlite3.Connection, path: Path) -> None:
    """Check the structure of a database: its tables, then its pages.

    Nothing of the file is run before its tables are known: a trigger, a view or an expression in
    an index is a program. Raises DamagedDatabaseError, and NewerDatabaseError if a newer release
    wrote it.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    _check_format(connection, path)
    if not has_expected_schema(connection):
        raise damaged(path, "it has not exactly the tables that this program writes")
    # The first checks the pages, the second that no object is missing in its table or index.
    for check in ("quick_check(1)", "integrity_check(objects)"):
        try:
            found = str(connection.execute(f"PRAGMA {check}").fetchone()[0])
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found not in ("ok", "no such table: objects"):
            raise damaged(path, " ".join(found.split()))


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    found = format_version(connection)
    if found > len(MIGRATIONS):
        raise NewerDatabaseError(
            f"{path} was written by a newer flotta-apiserver (format {found}, this program knows "
            f"up to {len(MIGRATIONS)}): install that version, or restore a copy made before"
        )


def check_counter(connection: sqlite3.Connection, path: Path, limit: int = MAX_VERSION) -> None:
    """Raise DamagedDatabaseError if the newest version is not one number in bounds.

    Later ones must fit into a number of SQLite. No object may be newer.
    """
    query = "SELECT typeof(version), version FROM counter LIMIT 2"
    found = connection.execute(query).fetchall()
    if len(found) != 1 or found[0][0] != "integer" or not 0 <= found[0][1] <= limit:
        raise damaged(path, "its counter of versions is not a number that this program writes")
    query = "SELECT 1 FROM objects WHERE typeof(version) != 'integer' OR version > ? LIMIT 1"
    if connection.execute(query, (found[0][1],)).fetchone():
        raise damaged(path, "its counter of versions is behind an object")
