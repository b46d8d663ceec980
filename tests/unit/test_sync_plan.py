from __future__ import annotations

from flotta.sync.listing import RemoteObject
from flotta.sync.model import DataPath, FileStat
from flotta.sync.plan import DownloadPlan, LocalFile, plan_uploads
from flotta.sync.state_db import FileRecord

STAT = FileStat(3, 100, 100, 7)
MD5 = "0" * 32
DATA_PATH = DataPath("configuration", "config")


def local(path="stats/a", key="s/a", stat=STAT):
    return LocalFile(path, key, stat)


def by_name(*records):
    return {(record.path, record.key): record for record in records}


def remote(key="configuration/a", etag=MD5, modified="monday"):
    return RemoteObject(key, 3, etag, modified)


def downloads(objects, fetched=(), sent=(), *, target_exists=True, data_path=DATA_PATH):
    skipped = []
    plan = DownloadPlan(by_name(*fetched), by_name(*sent), skipped.append)
    plan.add(data_path, objects, target_exists=target_exists)
    return plan, [str(entry) for entry in skipped]


def test_a_new_file_is_sent():
    assert plan_uploads([local()], {}, {}).send == [local()]


def test_a_file_as_remembered_is_not_sent():
    assert plan_uploads([local()], by_name(FileRecord("stats/a", "s/a", STAT)), {}).send == []


def test_any_difference_to_the_state_sends_also_towards_older_times():
    for stat in (
        FileStat(3, 99, 100, 7),
        FileStat(3, 100, 101, 7),
        FileStat(3, 100, 100, 8),
        FileStat(4, 100, 100, 7),
    ):
        plan = plan_uploads([local(stat=stat)], by_name(FileRecord("stats/a", "s/a", STAT)), {})
        assert [file.stat for file in plan.send] == [stat]


def test_an_upload_of_unknown_outcome_is_planned_again():
    record = FileRecord("stats/a", "s/a", STAT, pending=True)
    assert plan_uploads([local()], by_name(record), {}).send == [local()]


def test_another_target_is_another_file():
    record = FileRecord("stats/a", "old/a", STAT)
    plan = plan_uploads([local()], by_name(record), {})
    assert plan.send == [local()]
    assert plan.gone == [record]


def test_what_came_from_the_bucket_is_sent_only_after_a_change():
    came = by_name(FileRecord("stats/a", "elsewhere/a", STAT))
    changed = local(stat=FileStat(3, 200, 200, 7))
    assert plan_uploads([local()], {}, came).send == []
    assert plan_uploads([changed], {}, came).send == [changed]


def test_a_removed_file_is_only_dropped_from_the_state():
    record = FileRecord("stats/a", "s/a", STAT)
    plan = plan_uploads([], by_name(record), {})
    assert (plan.send, plan.gone) == ([], [record])


def test_a_new_object_is_fetched_to_its_place():
    plan, _ = downloads([remote("configuration/deep/a")])
    assert [fetch.path for fetch in plan.fetch] == ["config/deep/a"]


def test_an_object_as_remembered_is_not_fetched():
    record = FileRecord("config/a", "configuration/a", STAT, MD5, MD5, 3, "monday")
    assert downloads([remote()], [record])[0].fetch == []


def test_an_object_with_another_etag_or_time_is_fetched():
    record = FileRecord("config/a", "configuration/a", STAT, MD5, MD5, 3, "monday")
    for changed in (remote(etag="1" * 32), remote(modified="sunday")):
        assert [f.remote for f in downloads([changed], [record])[0].fetch] == [changed]


def test_everything_is_fetched_again_when_the_target_directory_is_gone():
    record = FileRecord("config/a", "configuration/a", STAT, MD5, MD5, 3, "monday")
    assert downloads([remote()], [record], target_exists=False)[0].fetch


def test_what_the_device_sent_is_not_fetched_until_it_changes():
    for etag in (MD5, "f" * 32 + "-2"):
        record = FileRecord("config/a", "configuration/a", STAT, MD5, etag)
        assert downloads([remote()], sent=[record])[0].fetch == []
        assert downloads([remote(etag="1" * 32)], sent=[record])[0].fetch


def test_keys_that_are_no_paths_are_skipped_with_a_reason():
    keys = {
        "configuration/../../etc/passwd": "`..` is not allowed in a path",
        "configuration/./a": "`.` is not allowed in a path",
        "configuration/a//b": "the key has an empty segment or a slash at its end or beginning",
        "configuration//a": "the key has an empty segment or a slash at its end or beginning",
        "configuration/a\0b": "the name has a NUL byte",
        f"configuration/{'n' * 256}": "a name is longer than 255 bytes",
    }
    plan, skipped = downloads([remote(key) for key in keys])
    assert plan.fetch == []
    assert skipped == [f"{key}: {reason}" for key, reason in keys.items()]


def test_directory_markers_are_ignored_silently():
    plan, skipped = downloads([remote("configuration/"), remote("configuration/sub/")])
    assert (plan.fetch, skipped) == ([], [])


def test_a_whole_bucket_can_be_the_source():
    plan, skipped = downloads([remote("a"), remote("/etc/x")], data_path=DataPath("/", "config"))
    assert [fetch.path for fetch in plan.fetch] == ["config/a"]
    assert len(skipped) == 1


def test_two_keys_for_one_path_are_reported_and_the_first_wins():
    skipped = []
    plan = DownloadPlan({}, {}, skipped.append)
    plan.add(DataPath("one", "config"), [remote("one/a")], target_exists=True)
    plan.add(DataPath("two", "config"), [remote("two/a")], target_exists=True)
    assert [fetch.remote.key for fetch in plan.fetch] == ["one/a"]
    assert str(skipped[0]) == "two/a: config/a is already used by one/a"


def test_records_of_objects_that_are_not_listed_are_gone():
    record = FileRecord("config/b", "configuration/b", STAT, MD5, MD5, 3, "monday")
    assert downloads([remote()], [record])[0].gone() == [record]
