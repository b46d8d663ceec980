"""Versions are not given twice, whatever happens to the log of the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.apiserver.storage.database import ChangeRow, Database
from flotta.apiserver.storage.integrity import DamagedDatabaseError
from flotta.apiserver.storage.version_record import VersionRecord

BODY = b'{"metadata":{}}'


def write(database: Database, version: int) -> None:
    row = ChangeRow(version, "ADDED", "configmaps", "default", f"c{version}", BODY, None)
    database.write([row], 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    database = Database(path)
    write(database, 7)
    database.close()
    return path


def version_of(path: Path) -> int:
    database = Database(path)
    try:
        return database.version()
    finally:
        database.close()


def test_versions_continue_without_a_gap_after_a_clean_end(path: Path) -> None:
    assert version_of(path) == 7


def test_a_database_of_an_earlier_release_has_no_record(path: Path) -> None:
    VersionRecord(path).path.unlink()
    assert version_of(path) == 7
    assert VersionRecord(path).path.exists()


def test_an_older_copy_of_the_database_is_refused(path: Path) -> None:
    older = path.read_bytes()
    database = Database(path)
    write(database, 8)
    database.close()
    path.write_bytes(older)
    for _ in range(2):
        with pytest.raises(DamagedDatabaseError, match="accept-loss"):
            Database(path)


def test_versions_that_the_power_took_are_not_given_again(path: Path) -> None:
    """The record without fsync is lost with them; what was promised before is not."""
    record = VersionRecord(path)
    record.settle(7, 7)
    record.promise(8)
    assert version_of(path) > 8
    assert version_of(path) > 8


def test_a_damaged_record_is_refused(path: Path) -> None:
    VersionRecord(path).path.write_bytes(b"x")
    with pytest.raises(DamagedDatabaseError, match=r"state\.db\.version"):
        Database(path)


def test_a_disk_that_does_not_take_the_record_stops_no_write(path: Path) -> None:
    VersionRecord(path).path.unlink()
    database = Database(path)
    VersionRecord(path).path.unlink()
    VersionRecord(path).path.mkdir()
    write(database, 8)
    assert database.version() == 8
    database.close()
