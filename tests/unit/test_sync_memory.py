from __future__ import annotations

import sqlite3

import pytest

from flotta.sync.memory import Memory, Row
from flotta.sync.model import FileStat, SyncError

ROW = Row("stats/a", "s/a", FileStat(3, 1, 2, 3), "0" * 32, "1" * 32, 3, "monday")


@pytest.fixture
def memory(tmp_path):
    memory = Memory(tmp_path / "sync.db")
    yield memory
    memory.close()


def test_rows_and_counters_survive_reopening(tmp_path):
    memory = Memory(tmp_path / "sync.db")
    memory.remember("w", "up", [ROW], transferred=2)
    memory.close()
    again = Memory(tmp_path / "sync.db")
    assert again.rows("w", "up") == {("stats/a", "s/a"): ROW}
    assert again.statuses()["w"].files_up == 2
    assert again.statuses()["w"].last_data_upload is not None
    again.close()


def test_a_database_of_a_newer_version_is_refused_with_a_sentence(tmp_path):
    Memory(tmp_path / "sync.db").close()
    with sqlite3.connect(tmp_path / "sync.db") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(SyncError, match="written by a newer version"):
        Memory(tmp_path / "sync.db")


def test_commits_are_synchronous(memory):
    assert memory._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert memory._database.execute("PRAGMA user_version").fetchone() == (1,)


def test_pending_marks_only_known_rows_and_success_clears_it(memory):
    memory.remember("w", "up", [ROW])
    memory.mark_pending("w", "up", [ROW, Row("new", "new")])
    assert [row.pending for row in memory.rows("w", "up").values()] == [True]
    memory.remember("w", "up", [ROW])
    assert memory.rows("w", "up") == {("stats/a", "s/a"): ROW}


def test_an_upload_id_is_kept_for_new_and_known_files(memory):
    memory.remember("w", "up", [ROW])
    memory.set_upload("w", "stats/a", "s/a", "first")
    memory.set_upload("w", "new", "new", "second")
    found = memory.rows("w", "up")
    assert found["stats/a", "s/a"].upload_id == "first"
    assert found["stats/a", "s/a"].stat == ROW.stat
    assert found["new", "new"] == Row("new", "new", pending=True, upload_id="second")


def test_another_bucket_empties_the_memory_of_files_only(memory):
    memory.use_bucket("one")
    memory.remember("w", "up", [ROW], transferred=1)
    memory.use_bucket("one")
    assert memory.rows("w", "up")
    memory.use_bucket("two")
    assert memory.rows("w", "up") == {}
    assert memory.statuses()["w"].files_up == 1


def test_forget_leaves_other_workloads_alone(memory):
    for name in ("one", "two"):
        memory.remember(name, "up", [ROW], transferred=1)
    memory.forget("one")
    assert memory.rows("one", "up") == {}
    assert list(memory.statuses()) == ["two"]
