"""A copy of the database as the release before wrote it, made before the file is migrated.

With it a control plane whose new release does not work goes back without any other backup
(docs/how-to/upgrade.md#roll-back).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from flotta.durable_files import sync_directory


def former_copy(path: Path, version: int) -> Path:
    """Return the path of the copy of a database in this format."""
    return path.with_name(f"{path.name}.format-{version}")


def keep_former_copy(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the database beside itself, with its owner, mode 0600; replaces an earlier copy.

    Raises sqlite3.OperationalError if there is no room for it, and OSError.
    """
    target = former_copy(path, version)
    fresh = path.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        _copy(connection, fresh)
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(path.parent)


def _copy(connection: sqlite3.Connection, fresh: Path) -> None:
    with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
        connection.backup(target)
        # One file without a log beside it; SQLite syncs it then.
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
