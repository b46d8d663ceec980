"""Continuing with a database that lost changes, when nobody has a better backup."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from flotta.apiserver.backup.contents import BackupError
from flotta.apiserver.backup.restore import continue_versions
from flotta.apiserver.storage.database import lock_database
from flotta.apiserver.storage.integrity import DatabaseError
from flotta.apiserver.storage.version_record import VersionRecord
from flotta.durable_files import sync_directory


def accept_loss(database: Path) -> int:
    """Make what is left of a database one with which the server starts; return how many objects.

    As after a restore, versions continue far above, and devices get no configuration before they
    have shown what they run. Raises BackupError if the database is damaged otherwise or in use.
    """
    try:
        lock = lock_database(database)
    except (DatabaseError, OSError) as error:
        raise BackupError(f"nothing was changed: {error}") from error
    try:
        objects = continue_versions(database)
        # The next start makes it again, with the owner that the server has.
        VersionRecord(database).path.unlink(missing_ok=True)
        sync_directory(database.parent)
    except (sqlite3.Error, DatabaseError) as error:
        raise BackupError(f"nothing was changed: {error}") from error
    finally:
        os.close(lock)
    return objects
