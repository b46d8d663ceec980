"""What is compared stays within bounds, whatever a pod or a bucket holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotta.limited_log import LimitedLog
from flotta.sync import comparison, cycle, failures
from flotta.sync.comparison import Comparer
from flotta.sync.cycle import Cycle
from flotta.sync.failures import Failures
from flotta.sync.job import TaskOutcome
from flotta.sync.listing import parse_objects
from flotta.sync.loop import SyncLoop
from flotta.sync.model import DataPath, FileStat, SyncedPath, SyncWorkload
from flotta.sync.state_db import FileRecord, StateDatabase
from flotta.sync.transfer import Transfer

WORKLOAD = SyncWorkload("web", [DataPath("out", "up")], [DataPath("in", "down")])


class Listing:
    """A bucket with any number of objects, asked for by pages."""

    def __init__(self, objects: int, per_page: int) -> None:
        self._objects = objects
        self._per_page = per_page
        self.pages = 0

    def list_pages(self, prefix: str) -> Iterator[bytes]:
        for first in range(0, self._objects, self._per_page):
            self.pages += 1
            keys = range(first, min(first + self._per_page, self._objects))
            items = "".join(
                f"<Contents><Key>{prefix}{key}</Key><Size>1</Size><ETag>e</ETag></Contents>"
                for key in keys
            )
            yield f"<ListBucketResult>{items}</ListBucketResult>".encode()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[StateDatabase]:
    database = StateDatabase(tmp_path / "sync.db")
    yield database
    database.close()


@pytest.fixture
def comparer(tmp_path: Path, database: StateDatabase) -> Comparer:
    return Comparer(tmp_path / "volumes", database)


def write_files(tmp_path: Path, count: int) -> None:
    folder = tmp_path / "volumes/web/out"
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / str(number)).write_text("")


def test_more_files_than_are_compared_are_left_out_and_named(
    tmp_path: Path, comparer: Comparer, database: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MAX_ENTRIES", 20)
    write_files(tmp_path, 30)
    sent = [FileRecord(f"out/{number}", f"up/{number}", FileStat(0, 0, 0, 0)) for number in "ab"]
    database.save_records("web", "up", sent)
    found = comparer.compare_egress(WORKLOAD)
    assert len(found.send) == 20
    assert [skipped.reason for skipped in found.skipped] == [comparison.TOO_MANY]
    # What was not looked at has not been removed.
    assert len(database.load_records("web", "up")) == 2
    loop = SyncLoop(tmp_path / "state", tmp_path / "volumes")
    message = loop._describe_problem(found)
    assert message is not None
    assert message.endswith("[TooManyFiles]")


def test_directories_count_as_well(
    tmp_path: Path, comparer: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MAX_ENTRIES", 20)
    for number in range(30):
        (tmp_path / f"volumes/web/out/{number}").mkdir(parents=True)
    assert comparer.compare_egress(WORKLOAD).is_partial


def test_only_some_of_what_is_skipped_is_kept(tmp_path: Path, comparer: Comparer) -> None:
    folder = tmp_path / "volumes/web/out"
    folder.mkdir(parents=True)
    for number in range(comparison.MAX_SKIPPED + 50):
        (folder / str(number)).symlink_to("x")
    assert len(comparer.compare_egress(WORKLOAD).skipped) == comparison.MAX_SKIPPED


def test_a_cycle_plans_a_bounded_number_of_transfers(
    tmp_path: Path, comparer: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MIN_PLANNED", 5)
    write_files(tmp_path, 30)
    found = comparer.compare_egress(WORKLOAD, room=0)
    comparer.compare_ingress(WORKLOAD, Listing(30, 10), found)  # type: ignore[arg-type]
    assert (len(found.send), len(found.fetch)) == (5, 5)
    assert not found.is_partial


@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_a_large_listing_is_asked_for_again_instead_of_kept(
    comparer: Comparer, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(comparison, "MAX_KEPT", kept)
    listing = Listing(30, 10)
    found = comparer.compare_egress(WORKLOAD)
    comparer.compare_ingress(WORKLOAD, listing, found)  # type: ignore[arg-type]
    assert len(found.fetch) == 30
    assert listing.pages == (3 if kept else 6)


@pytest.mark.parametrize("per_page", [1, 1000])
def test_a_listing_without_end_is_left(
    comparer: Comparer,
    database: StateDatabase,
    monkeypatch: pytest.MonkeyPatch,
    per_page: int,
) -> None:
    monkeypatch.setattr(comparison, "MAX_ENTRIES", 5000)
    fetched = [FileRecord("down/x", "in/x", FileStat(0, 0, 0, 0))]
    database.save_records("web", "down", fetched)
    listing = Listing(1 << 40, per_page)
    found = comparer.compare_egress(WORKLOAD)
    comparer.compare_ingress(WORKLOAD, listing, found)  # type: ignore[arg-type]
    assert found.is_partial
    assert listing.pages <= comparison.MAX_PAGES + 1
    assert len(found.fetch) == min(5000, comparison.MAX_PAGES * per_page)
    assert len(database.load_records("web", "down")) == 1


def test_the_size_of_an_object_is_bounded() -> None:
    page = f"<ListBucketResult><Contents><Key>k</Key><Size>{'9' * 40}</Size></Contents>"
    (found,) = parse_objects([f"{page}</ListBucketResult>".encode()])
    assert found.size == 1 << 62


def test_failures_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_REMEMBERED", 10)
    known = Failures(15.0)
    for number in range(30):
        known.record_failure(SyncedPath("web", "up", str(number)), None, "x")
    assert len(known.messages("web")) == 10


def test_lines_about_files_are_limited(
    tmp_path: Path,
    comparer: Comparer,
    database: StateDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("file_log", "failure_log"):
        limited = LimitedLog(cycle.log, lines=20, interval=60.0, clock=lambda: 1.0)
        monkeypatch.setattr(cycle, name, limited)
    write_files(tmp_path, 500)
    transfer = Transfer(tmp_path / "volumes", tmp_path / "spool")
    work = Cycle(comparer, database, transfer, Failures(15.0))
    planned = cycle.plan_tasks([comparer.compare_egress(WORKLOAD)])
    by_number = {item.task.number: item for item in planned}
    with caplog.at_level(logging.INFO, "flotta.sync"):
        for result in ("done", "failed"):
            outcomes = [
                TaskOutcome(number, result, stat=(0, 0, 0, 0), message="x" * 10_000)  # type: ignore[arg-type]
                for number in by_number
            ]
            work._apply_messages([*outcomes], by_number, cycle.CycleReport())
    assert len(caplog.records) == 40
    assert len(caplog.text) < 100_000


def test_files_of_a_file_system_that_is_not_mounted_are_left_alone(
    tmp_path: Path, database: StateDatabase
) -> None:
    sent, fetched = ([FileRecord(f"{way}/a", f"{way}/a", FileStat(0, 0, 0, 0))] for way in "io")
    database.save_records("web", "up", sent)
    database.save_records("web", "down", fetched)
    comparer = Comparer(tmp_path / "volumes", database, lambda name: f"{name} is not mounted")
    work = Cycle(comparer, database, Transfer(tmp_path, tmp_path / "spool"), Failures(15.0))
    (found,) = work._compare_sides([WORKLOAD], Listing(3, 3))  # type: ignore[arg-type]
    assert not found.send
    assert not found.fetch
    assert (found.problem or "").endswith("web is not mounted. [FileSystemNotMounted]")
    assert all(database.load_records("web", way) for way in ("up", "down"))
