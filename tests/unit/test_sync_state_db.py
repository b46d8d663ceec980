from __future__ import annotations

import os
import random
import sqlite3

import pytest

from flotta import disk_reserve
from flotta.sync.model import FileStat
from flotta.sync.state_db import FileRecord, StateDatabase
from small_disk import mount_small_disk

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


def test_a_database_of_a_newer_version_is_left_alone_and_named(tmp_path):
    StateDatabase(tmp_path / "sync.db").switch_bucket("one")
    with sqlite3.connect(tmp_path / "sync.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    database = StateDatabase(tmp_path / "sync.db")
    database.save_records("w", "up", [RECORD])
    assert database.load_records("w", "up")
    assert "written by a newer version" in database.problem.message
    database.heal()
    assert "written by a newer version" in database.problem.message
    with sqlite3.connect(tmp_path / "sync.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


def test_commits_are_synchronous(database):
    def read(name):
        return database._connection.run(lambda sql: sql.execute(f"PRAGMA {name}").fetchone())

    assert (read("synchronous"), read("user_version")) == ((2,), (1,))
    assert read("journal_mode") == ("wal",)


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


MANY = [FileRecord(f"stats/{number}", f"s/{number}", RECORD.stat) for number in range(5000)]


def overwrite(path, offset, length):
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, os.urandom(length), offset)
    os.close(descriptor)


@pytest.mark.parametrize("page", [0, 1, 2, 5, 40])
def test_damage_in_any_page_is_replaced_by_a_new_database(tmp_path, page):
    path = tmp_path / "sync.db"
    database = StateDatabase(path)
    database.save_records("w", "up", MANY, transferred=1)
    database.close()
    size = path.stat().st_size
    first = page * 4096
    overwrite(path, first, 4096 if page < 40 else size - first)
    database = StateDatabase(path)
    database.load_statuses()
    database.load_records("w", "up")
    database.delete_workload("w")
    database.save_records("w", "up", [RECORD], transferred=1)
    assert database.problem is None
    database.close()
    again = StateDatabase(path)
    assert list(again.load_records("w", "up").values()) == [RECORD]
    assert (tmp_path / "sync.damaged").exists()
    again.close()


def test_no_damage_raises_an_error(tmp_path):
    """Bytes of a small database are changed at random, with seeds that are the same each time."""
    path = tmp_path / "sync.db"
    database = StateDatabase(path)
    database.switch_bucket("one")
    database.save_records("w", "up", MANY[:20], transferred=1)
    database.close()
    whole = path.read_bytes()
    for seed in range(100):
        chance = random.Random(seed)
        content = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice((len(content), chance.randrange(len(content))))])
        database = StateDatabase(path)
        database.load_statuses()
        for record in database.load_records("w", "up").values():
            assert isinstance(record.path, str)
        database.save_records("w", "up", [RECORD], transferred=1)
        database.delete_workload("other")
        assert database.load_records("w", "up")
        database.close()
        for left in tmp_path.iterdir():
            left.unlink()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE file SET path = x'ff'",
        "UPDATE file SET size = 'large'",
        "UPDATE file SET etag = x'05'",
        "UPDATE file SET digest = CAST(x'ff' AS TEXT)",
        "UPDATE workload SET files_up = 'many'",
    ],
)
def test_a_row_of_other_types_counts_as_damage(tmp_path, change):
    path = tmp_path / "sync.db"
    database = StateDatabase(path)
    database.save_records("w", "up", [RECORD], transferred=1)
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    database = StateDatabase(path)
    database.load_statuses()
    assert database.load_records("w", "up") == {}
    assert (database.problem, (tmp_path / "sync.damaged").exists()) == (None, True)
    database.close()


def test_values_of_another_type_count_as_damage(tmp_path):
    path = tmp_path / "sync.db"
    database = StateDatabase(path)
    database.save_records("w", "up", [RECORD], transferred=1)
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE workload SET last_upload = 'yesterday'")
    database = StateDatabase(path)
    assert database.load_statuses() == {}
    assert (tmp_path / "sync.damaged").exists()


def test_a_missing_table_counts_as_damage(tmp_path):
    path = tmp_path / "sync.db"
    database = StateDatabase(path)
    database.load_statuses()
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE file")
    database = StateDatabase(path)
    database.save_records("w", "up", [RECORD])
    assert (database.problem, len(database.load_records("w", "up"))) == (None, 1)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_reserve, "SMALLEST", 0)
    with mount_small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.mark.parametrize("known", [False, True])
def test_a_full_disk_keeps_the_state_in_memory_until_there_is_room(disk, known):
    if known:
        database = StateDatabase(disk.path / "sync.db")
        database.save_records("w", "up", [RECORD], transferred=3)
        database.close()
    filling = disk.fill()
    database = StateDatabase(disk.path / "sync.db")
    assert len(database.load_statuses()) == known
    database.save_records("w", "down", MANY)
    assert database.problem
    assert len(database.load_records("w", "up")) == known
    database.heal()
    assert database.problem
    filling.unlink()
    database.heal()
    assert database.problem is None
    database.close()
    again = StateDatabase(disk.path / "sync.db")
    assert len(again.load_records("w", "down")) == len(MANY)
    assert len(again.load_records("w", "up")) == known
    again.close()


def test_a_disk_that_fills_while_the_database_is_open_loses_nothing(disk):
    database = StateDatabase(disk.path / "sync.db")
    database.save_records("w", "up", [RECORD], transferred=3)
    filling = disk.fill()
    database.save_records("w", "down", MANY)
    assert database.problem.reason == "DiskReserveReached"
    assert database.load_statuses()["w"].files_up == 3
    filling.unlink()
    database.heal()
    assert (database.problem, database.load_statuses()["w"].files_up) == (None, 3)
    database.close()


def test_a_read_only_disk_keeps_the_state_in_memory(disk):
    database = StateDatabase(disk.path / "sync.db")
    database.save_records("w", "up", [RECORD])
    database.close()
    disk.remount("ro")
    database = StateDatabase(disk.path / "sync.db")
    database.save_records("w", "down", [RECORD])
    assert len(database.load_records("w", "up")) == 1
    assert database.problem.reason == "SyncStateUnavailable"
    disk.remount("rw")
    database.heal()
    assert (database.problem, len(database.load_records("w", "down"))) == (None, 1)
    database.close()


def test_a_directory_in_its_place_is_no_obstacle(tmp_path):
    (tmp_path / "sync.db").mkdir()
    database = StateDatabase(tmp_path / "sync.db")
    database.save_records("w", "up", [RECORD])
    assert len(database.load_records("w", "up")) == 1
    assert database.problem.reason == "SyncStateUnavailable"


def test_a_wipe_leaves_no_file_and_the_database_can_be_used_again(tmp_path):
    database = StateDatabase(tmp_path / "sync.db")
    database.save_records("w", "up", [RECORD])
    (tmp_path / "sync.damaged").write_text("")
    database.wipe()
    assert os.listdir(tmp_path) == []
    assert database.load_records("w", "up") == {}
    database.close()
