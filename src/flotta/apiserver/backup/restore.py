"""Restoring a backup: everything is read and checked beside its place, then moved there.

What was there before is kept beside it, with `.replaced` at the end of its name, until the next
restore. A restore that was interrupted is repeated with the same command.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flotta.apiserver.backup.archive import database_size, extract_files, read_contents
from flotta.apiserver.backup.contents import (
    ADMIN_FILE,
    DATABASE,
    USERS,
    BackupError,
    Contents,
    Entry,
    Places,
)
from flotta.apiserver.backup.withholding import withhold_configurations
from flotta.apiserver.storage.database import lock_database, read_objects
from flotta.apiserver.storage.integrity import (
    DamagedDatabaseError,
    DatabaseError,
    check_counter,
    check_file,
)
from flotta.apiserver.storage.migrations import migrate
from flotta.durable_files import sync_directory

FORCE = "overwrite"  # the word that permits it
REPLACED = ".replaced"
# Clients may know versions that are newer than the backup. They must not meet them again with
# another content, so versions continue far above (etcd: `snapshot restore --bump-revision`).
BUMP = 1_000_000_000  # versions
MAX_RESTORED = 10**18  # the newest version in an archive, so that many restores fit above it
FILE_MODES, FOLDER_MODES = 0o755, 0o2775  # the bits that are restored
ROOM = 16 * 1024 * 1024  # bytes that must be left on the disk beside the database


@dataclass(frozen=True)
class _Move:
    """A staged file or folder and its place."""

    staged: Path
    place: Path


def restore_backup(archive: Path, places: Places, *, force: str = "") -> int:
    """Restore a backup; return how many objects are in it.

    Raises BackupError if the archive is damaged or foreign, if the server runs, and if there is
    something already, unless `force` is the word for that; nothing is changed then.
    """
    contents = read_contents(archive)
    with _stopped(places.database):
        if force != FORCE:
            _check_empty(places)
        _check_owners(contents)
        with _staging(places, contents) as targets:
            extract_files(archive, contents, targets)
            objects = _prepare_database(targets[DATABASE])
            _set_owners(contents, targets)
            for move in _moves(places, contents, targets):
                _put_in_place(move)
    return objects


@contextmanager
def _stopped(database: Path) -> Iterator[None]:
    """Hold the lock of the present database, so that no server runs meanwhile."""
    try:
        lock = lock_database(database)
    except (FileNotFoundError, DamagedDatabaseError):
        yield
        return
    except DatabaseError as error:
        raise BackupError(
            f"flotta-apiserver runs ({error}): stop it with `systemctl stop flotta-operator "
            "flotta-edge-api flotta-s3 flotta-apiserver`, then restore"
        ) from error
    try:
        yield
    finally:
        os.close(lock)


def _check_empty(places: Places) -> None:
    present = [path for _, path in places.folders() if path.is_dir() and any(path.iterdir())]
    present += [path for path in (places.database, places.s3_admin) if path.exists()]
    if present:
        shown = ", ".join(map(str, present))
        raise BackupError(
            f"there is a control plane already ({shown}): to replace it, add `--force {FORCE}`; "
            f"what is there is then kept beside it, with {REPLACED} at the end of its name"
        )


def _check_owners(contents: Contents) -> None:
    """Refuse owners that this machine does not have, or that are not those of the services."""
    for entry in contents.entries if os.geteuid() == 0 else ():
        for name in (entry.owner, entry.group):
            if name != "root" and not name.startswith("flotta-"):
                raise BackupError(f"the archive gives {entry.name} to {name!r}, as no backup does")
        try:
            pwd.getpwnam(entry.owner)
            grp.getgrnam(entry.group)
        except (KeyError, ValueError) as error:  # ValueError: a name with NUL
            raise BackupError(
                f"this machine has no account {entry.owner!r}: install the same release with the "
                "playbook flotta.edge.control_plane first, stop its services, then restore"
            ) from error


@contextmanager
def _staging(places: Places, contents: Contents) -> Iterator[dict[str, Path]]:
    """Make a folder beside each place; yield where each entry of the archive is staged."""
    made: list[Path] = []

    def beside(place: Path) -> Path:
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        made.append(Path(tempfile.mkdtemp(dir=place.parent, prefix=".restore-")))
        return made[-1]

    try:
        targets = {DATABASE: beside(places.database) / "state.db"}
        _check_room(targets[DATABASE].parent, database_size(contents))
        if ADMIN_FILE in contents.files():
            targets[ADMIN_FILE] = beside(places.s3_admin) / "s3-admin.env"
        listed = {entry.name.rpartition("/")[0] for entry in contents.files().values()}
        for name, folder in places.folders():
            if name in listed:
                outer = targets["s3-keys"] if name == USERS else beside(folder)
                targets[name] = outer / folder.name
                targets[name].mkdir(mode=0o700)
        for name in contents.files().keys() - targets.keys():
            folder_name, _, file_name = name.rpartition("/")
            targets[name] = targets[folder_name] / file_name
        yield targets
    finally:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + ROOM:
        raise BackupError(
            f"the database of the archive has {size} bytes, and {folder.parent} has room for "
            f"{free}: free more, then restore"
        )


def _prepare_database(path: Path) -> int:
    """Check the staged database and continue its versions far above; return how many objects."""
    try:
        return continue_versions(path)
    except (sqlite3.Error, DatabaseError) as error:
        raise BackupError(f"the database of the archive cannot be used: {error}") from error


def continue_versions(path: Path) -> int:
    """Check a database and continue its versions far above; return how many objects it has.

    Its history is removed, and the configurations of its devices are withheld, in one transaction.
    Raises DatabaseError and sqlite3.Error.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        check_file(connection, path)
        migrate(connection)
        check_counter(connection, path, MAX_RESTORED)
        objects = sum(1 for _ in read_objects(connection, path))
        connection.execute("BEGIN")
        connection.execute("DELETE FROM changes")
        connection.execute("UPDATE counter SET version = version + ?", (BUMP,))
        withhold_configurations(connection)
        connection.execute("COMMIT")
    return objects


def _set_owners(contents: Contents, targets: dict[str, Path]) -> None:
    for entry in contents.entries:
        path = targets.get(entry.name)
        if path is None:  # a folder without files
            continue
        if os.geteuid() == 0:
            shutil.chown(path, entry.owner, entry.group)
        os.chmod(path, entry.mode & _modes(entry))


def _modes(entry: Entry) -> int:
    return FILE_MODES if entry.sha256 else FOLDER_MODES


def _moves(places: Places, contents: Contents, targets: dict[str, Path]) -> Iterator[_Move]:
    yield _Move(targets[DATABASE], places.database)
    if ADMIN_FILE in targets:
        yield _Move(targets[ADMIN_FILE], places.s3_admin)
    for name, folder in places.folders():
        if name in targets and name != USERS:
            yield _Move(targets[name], folder)


def _put_in_place(move: _Move) -> None:
    place = move.place
    old = place.with_name(f"{place.name}{REPLACED}")
    if place.exists():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        os.replace(place, old)
    _move_log(place, old)
    os.replace(move.staged, place)
    sync_directory(place.parent)


def _move_log(database: Path, old: Path) -> None:
    """Move what is kept beside a database along with it; other places have nothing of it.

    That comes before the new one is put there: SQLite would write the log of the old one into it.
    """
    for suffix in ("-wal", "-shm", ".version"):
        log = database.with_name(f"{database.name}{suffix}")
        if log.exists():
            os.replace(log, old.with_name(f"{old.name}{suffix}"))
