"""Writing a backup, while the server runs or not."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import io
import os
import pwd
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flotta import __version__
from flotta.apiserver.backup.contents import (
    ADMIN_FILE,
    DATABASE,
    FORMAT,
    LIST,
    MAX_FILE,
    BackupError,
    Contents,
    Entry,
    Places,
    check_contents,
    is_name,
)
from flotta.apiserver.storage.database import read_objects
from flotta.apiserver.storage.integrity import DatabaseError, check_counter, check_file
from flotta.durable_files import sync_directory
from flotta.rfc3339 import format_time

CHUNK = 1024 * 1024  # bytes


def create_backup(places: Places, target: Path) -> int:
    """Write a backup to `target`, mode 0600, which it replaces only when it is complete.

    Returns how many objects are in it. Raises BackupError, and OSError if it cannot be written.
    """
    with _temporary_file(target) as archive, _temporary_file(target) as copy:
        objects = _copy_database(places.database, copy)
        small = dict(_read_files(places))
        entries = [*_folder_entries(places), *(entry for entry, _ in small.values())]
        entries.insert(0, _database_entry(places.database, copy))
        contents = Contents(FORMAT, format_time(datetime.now(UTC)), __version__, entries)
        check_contents(contents)
        data = {name: content for name, (_, content) in small.items()}
        _write_archive(archive, contents, copy, data)
        os.replace(archive, target)
    sync_directory(target.parent)
    return objects


@contextmanager
def _temporary_file(target: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _copy_database(database: Path, copy: Path) -> int:
    """Copy the database as it is at one moment, and check the copy; return how many objects."""
    if not database.exists():
        raise BackupError(f"{database} does not exist: name the database by --database")
    try:
        with (
            closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(copy, isolation_level=None)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
            check_file(target, database)
            check_counter(target, database)
            return sum(1 for _ in read_objects(target, database))
    except (sqlite3.Error, DatabaseError) as error:
        raise BackupError(f"nothing was written: {error}") from error


def _database_entry(database: Path, copy: Path) -> Entry:
    digest = hashlib.sha256()
    with copy.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return _entry(DATABASE, database.stat(), copy.stat().st_size, digest.hexdigest())


def _folder_entries(places: Places) -> Iterator[Entry]:
    for name, folder in places.folders():
        if folder.is_dir():
            yield _entry(name, folder.stat())


def _read_files(places: Places) -> Iterator[tuple[str, tuple[Entry, bytes]]]:
    """Yield name, entry and content of each file but the database."""
    if places.s3_admin.is_file():
        yield ADMIN_FILE, _read_file(places.s3_admin, ADMIN_FILE)
    for folder_name, folder in places.folders():
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            # A file that is being written begins with a dot. One can be deleted at any moment.
            if not path.name.startswith(".") and not path.is_dir():
                name = f"{folder_name}/{path.name}"
                with contextlib.suppress(FileNotFoundError):
                    yield name, _read_file(path, name)


def _read_file(path: Path, name: str) -> tuple[Entry, bytes]:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE or not stat.S_ISREG(status.st_mode) or not is_name(name):
        raise BackupError(f"{path} is not a file of this program: remove it, then try again")
    return _entry(name, status, len(content), hashlib.sha256(content).hexdigest()), content


def _entry(name: str, status: os.stat_result, size: int = 0, digest: str = "") -> Entry:
    return Entry(
        name,
        stat.S_IMODE(status.st_mode),
        _user_name(status.st_uid),
        _group_name(status.st_gid),
        size,
        digest,
    )


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _write_archive(path: Path, contents: Contents, copy: Path, small: dict[str, bytes]) -> None:
    with path.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            _add_member(archive, LIST, msgspec.json.encode(contents))
            with copy.open("rb") as database:
                header = _header(DATABASE, os.fstat(database.fileno()).st_size)
                archive.addfile(header, database)
            for name, content in small.items():
                _add_member(archive, name, content)
        file.flush()
        os.fsync(file.fileno())


def _add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_header(name, len(content)), io.BytesIO(content))


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header
