from __future__ import annotations

import sqlite3

import pytest

from flotta.sync.model import FileStat, SyncError
from flotta.sync.state_db import FileRecord, StateDatabase

RECORD = FileRecord("stats/a", "s/a", FileStat(3, 1, 2, 3), "0" * 32, "1" * 32, 3, "monday")


@pytest.fixture
def database(tmp_path):
    database = StateDatabase(tmp_path / "sync.db")
    yield database
    database.close()


def test_records_and_counters_survive_reopening(tmp_path):
    database = StateDatabase(tmp_path / "sync.db")
    database.save_records("w", "up", [RECORD], transferred=2)
    database.close()
    again = StateDatabase(tmp_path / "sync.db")
    assert again.load_records("w", "up") == {("stats/a", "s/a"): RECORD}
    assert again.load_statuses()["w"].files_up == 2
    assert again.load_statuses()["w"].last_data_upload is not None
    again.close()


def test_a_database_of_a_newer_version_is_refused_with_a_sentence(tmp_path):
    StateDatabase(tmp_path / "sync.db").close()
    with sqlite3.connect(tmp_path / "sync.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SyncError, match="written by a newer version"):
        StateDatabase(tmp_path / "sync.db")


def test_commits_are_synchronous(database):
    assert database._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database._connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_pending_marks_only_known_records_and_success_clears_it(database):
    database.save_records("w", "up", [RECORD])
    database.mark_pending("w", "up", [RECORD, FileRecord("new", "new")])
    assert [record.pending for record in database.load_records("w", "up").values()] == [True]
    database.save_records("w", "up", [RECORD])
    assert database.load_records("w", "up") == {("stats/a", "s/a"): RECORD}


def test_an_upload_id_is_kept_for_new_and_known_files(database):
    database.save_records("w", "up", [RECORD])
    database.save_upload_id("w", "stats/a", "s/a", "first")
    database.save_upload_id("w", "new", "new", "second")
    found = database.load_records("w", "up")
    assert found["stats/a", "s/a"].upload_id == "first"
    assert found["stats/a", "s/a"].stat == RECORD.stat
    assert found["new", "new"] == FileRecord("new", "new", pending=True, upload_id="second")


def test_another_bucket_empties_the_state_of_files_only(database):
    database.switch_bucket("one")
    database.save_records("w", "up", [RECORD], transferred=1)
    database.switch_bucket("one")
    assert database.load_records("w", "up")
    database.switch_bucket("two")
    assert database.load_records("w", "up") == {}
    assert database.load_statuses()["w"].files_up == 1


def test_deleting_a_workload_leaves_other_workloads_alone(database):
    for name in ("one", "two"):
        database.save_records(name, "up", [RECORD], transferred=1)
    database.delete_workload("one")
    assert database.load_records("one", "up") == {}
    assert list(database.load_statuses()) == ["two"]
