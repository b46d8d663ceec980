from __future__ import annotations

import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

from sync_site import BUCKET, WORKLOAD, running, with_endpoint

from flotta.identity.authority import Authority
from flotta.sync.loop import DataPath, SyncWorkload
from flotta.sync.tree_watch import TreeWatch
from waiting import eventually


async def test_new_files_go_up_with_equal_bytes(site):
    data = os.urandom(100_000)
    site.write("stats/today.json", data)
    site.write("stats/sub dir/ü+#?%25.txt", b"odd name")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 2)
        status = loop.status("shop")
    assert site.get("statistics/today.json") == data
    assert site.get("statistics/sub dir/ü+#?%25.txt") == b"odd name"
    assert status.error is None
    assert status.last_data_upload is not None


async def test_objects_come_down_with_equal_bytes_and_plain_rights(site):
    data = os.urandom(100_000)
    site.put("configuration/shop.conf", data)
    site.put("configuration/deep/ü+#?%25 x.txt", b"odd name")
    site.put("configuration2/other.conf", b"not ours")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_down == 2)
    file = site.export / "config" / "shop.conf"
    assert file.read_bytes() == data
    assert (site.export / "config" / "deep" / "ü+#?%25 x.txt").read_bytes() == b"odd name"
    assert file.stat().st_mode & 0o7777 == 0o644
    assert file.parent.stat().st_mode & 0o7777 == 0o755
    assert sorted(path.name for path in (site.export / "config").iterdir()) == [
        "deep",
        "shop.conf",
    ]


async def test_idle_cycles_only_list_the_ingress(site):
    site.write("stats/a", b"1")
    site.put("configuration/b", b"2")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up and loop.status("shop").files_down)
        await loop.cycles(1)
        before = site.requests()
        await eventually(lambda: len(site.requests()) >= len(before) + 3)
        later = site.requests()[len(before) :]
    assert {line.split()[0] for line in later} == {"LIST"}


async def test_idle_egress_makes_no_request_at_all(site):
    site.write("stats/a", b"1")
    async with running(site, replace(WORKLOAD, ingress=[])) as loop:
        await eventually(lambda: loop.status("shop").files_up)
        await loop.cycles(1)
        before = site.requests()
        await loop.cycles(5)
        assert site.requests() == before


async def test_a_changed_file_is_sent_once_more(site):
    site.write("stats/a", b"one")
    site.write("stats/b", b"two")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 2)
        site.write("stats/a", b"three")
        await eventually(lambda: loop.status("shop").files_up == 3)
        await loop.cycles(3)
    assert site.get("statistics/a") == b"three"
    assert site.transfers()["PUT till-1/statistics/a"] == 2
    assert site.transfers()["PUT till-1/statistics/b"] == 1


async def test_a_change_of_same_size_with_an_older_time_is_seen(site):
    file = site.write("stats/a", b"one")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1)
        file.write_bytes(b"two")
        os.utime(file, (1, 1))
        await eventually(lambda: site.get("statistics/a") == b"two")


async def test_a_touched_file_with_equal_content_is_not_sent_again(site):
    file = site.write("stats/touched", b"one")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1)
        puts = site.requests("PUT ")
        os.utime(file)
        await loop.cycles(5)
        assert site.requests("PUT ") == puts
        assert loop.status("shop").files_up == 1


async def test_a_lost_database_sends_and_fetches_nothing_again(site):
    site.write("stats/a", b"one")
    site.put("configuration/b", b"two")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up and loop.status("shop").files_down)
    transfers = site.transfers()
    (site.base / "state" / "sync.db").write_bytes(b"this is no database" * 1000)
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up and loop.status("shop").files_down)
    assert site.transfers() == transfers


async def test_an_object_that_changes_is_fetched_again(site):
    site.put("configuration/a", b"one")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_down == 1)
        site.put("configuration/a", b"two")
        await eventually(lambda: (site.export / "config/a").read_bytes() == b"two")


async def test_removal_is_carried_to_neither_side(site):
    file = site.write("stats/a", b"one")
    site.put("configuration/b", b"two")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up and loop.status("shop").files_down)
        file.unlink()
        site.client.delete_object(Bucket=BUCKET, Key="configuration/b")
        await loop.cycles(5)
    assert site.get("statistics/a") == b"one"
    assert (site.export / "config/b").read_bytes() == b"two"


async def test_links_out_of_the_export_directory_are_neither_read_nor_written_through(
    site, tmp_path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    site.write("stats/good", b"1")
    (site.export / "stats" / "passwd").symlink_to("/etc/passwd")
    (site.export / "stats" / "etc").symlink_to("/etc")
    (site.export / "config").symlink_to(outside)
    site.put("configuration/b", b"2")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1)
        await eventually(lambda: "config/b" in (loop.status("shop").error or ""))
    assert site.bucket_keys() == ["configuration/b", "statistics/good"]
    assert list(outside.iterdir()) == []


async def test_a_source_that_is_a_link_is_not_followed(site):
    (site.export / "stats").symlink_to("/etc")
    async with running(site) as loop:
        error = await eventually(lambda: loop.status("shop").error)
    assert "symbolic link" in error
    assert site.bucket_keys() == []


async def test_a_fifo_blocks_nothing_and_is_reported(site):
    site.write("stats/z", b"1")
    os.mkfifo(site.export / "stats" / "a")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1)
        assert loop.status("shop").error == "Skipped: stats/a: is a FIFO. [EntrySkipped]"


async def test_names_that_are_not_utf8_are_reported_and_others_go_on(site):
    site.write("stats/good", b"1")
    Path(os.fsdecode(os.fsencode(site.export / "stats") + b"/\xff\xfe")).write_bytes(b"2")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1)
        error = r"Skipped: stats/\xff\xfe: the name is not UTF-8. [EntrySkipped]"
        assert loop.status("shop").error == error


async def test_a_single_file_goes_to_its_target_name_or_below_a_target_directory(site):
    site.write("report.txt", b"1")
    paths = [
        DataPath("report.txt", "reports/today"),
        DataPath("/report.txt", "/archive/"),
        DataPath("report.txt", ""),
    ]
    async with running(site, SyncWorkload("shop", paths, [])) as loop:
        await eventually(lambda: loop.status("shop").files_up == 3)
    assert site.bucket_keys() == ["archive/report.txt", "report.txt", "reports/today"]


async def test_one_directory_can_go_both_ways_without_running_in_circles(site):
    site.write("both/mine", b"1")
    site.put("shared/theirs", b"2")
    workload = SyncWorkload("shop", [DataPath("both", "shared")], [DataPath("shared", "both")])
    async with running(site, workload) as loop:
        await eventually(lambda: (site.export / "both/theirs").exists())
        await eventually(lambda: site.get("shared/mine") == b"1")
        before = site.transfers()
        await loop.cycles(5)
        assert site.transfers() == before
        site.put("shared/mine", b"changed there")
        await eventually(lambda: (site.export / "both/mine").read_bytes() == b"changed there")
        site.write("both/theirs", b"changed here")
        await eventually(lambda: site.get("shared/theirs") == b"changed here")
    assert loop.status("shop").error is None


async def test_a_key_that_is_a_directory_on_the_device_is_reported(site):
    site.put("configuration/a", b"1")
    site.put("configuration/b", b"1")
    (site.export / "config" / "a").mkdir(parents=True)
    async with running(site) as loop:
        await eventually(lambda: (site.export / "config/b").exists())
        error = await eventually(lambda: loop.status("shop").error)
    assert error == "Not synchronised: config/a: is a directory on the device. [TransferFailed]"


async def test_wrong_credentials_are_a_sentence_and_right_ones_resume(site):
    site.write("stats/a", b"1")
    wrong = replace(site.storage, secret_key="wrong" * 8)
    async with running(site, storage=wrong) as loop:
        error = await eventually(lambda: loop.status("shop").error)
        assert "refused the credentials" in error
        assert error.endswith("[StorageCredentialsRefused]")
        assert wrong.secret_key not in error
        loop.configure(site.storage, [WORKLOAD])
        await eventually(lambda: loop.status("shop").files_up == 1)
        await eventually(lambda: loop.status("shop").error is None)


async def test_without_storage_no_error_remains(site):
    site.write("stats/a", b"1")
    async with running(site, storage=replace(site.storage, secret_key="wrong" * 8)) as loop:
        await eventually(lambda: loop.status("shop").error)
        loop.configure(None, [WORKLOAD])
        await eventually(lambda: loop.status("shop").error is None)


async def test_a_server_of_another_ca_is_not_trusted(site):
    site.write("stats/a", b"1")
    other = Authority.create("other CA", "flotta").certificate_pem.decode()
    async with running(site, storage=replace(site.storage, ca_pem=other)) as loop:
        error = await eventually(lambda: loop.status("shop").error)
    assert "certificate" in error
    assert error.endswith("[StorageNotTrusted]")


async def test_flush_sends_what_is_left_and_forget_forgets(site):
    async with running(site, interval=60) as loop:
        await eventually(lambda: loop.ended)
        site.write("stats/last", b"words")
        assert await loop.flush("shop", 60)
        assert site.get("statistics/last") == b"words"
        assert loop.status("shop").files_up == 1
        loop.forget_workload("shop")
        assert loop.status("shop").files_up == 0


async def test_flush_gives_up_in_time(site):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        dead = replace(site.storage, endpoint=f"https://127.0.0.1:{port}")
        async with running(site, storage=dead, interval=60) as loop:
            site.write("stats/last", b"words")
            assert not await loop.flush("shop", 2)


async def test_forgetting_a_workload_stops_writing_into_its_directory(site, link):
    site.put("configuration/big", os.urandom(24 << 20))
    link.delay = 0.004
    async with running(site, storage=with_endpoint(site.storage, link.endpoint)) as loop:
        spool = site.volumes.parent / "spool"
        await eventually(lambda: list(spool.glob("*.part")))
        loop.forget_workload("shop")
        shutil.rmtree(site.export)
        await loop.cycles(2)
        assert not site.export.exists()
    assert loop.status("shop").files_down == 0


async def test_a_removed_and_remade_volume_is_filled_again(site):
    site.put("configuration/a", b"1")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_down == 1)
        shutil.rmtree(site.export)
        await eventually(lambda: (site.export / "config" / "a").exists())


async def test_a_full_comparison_finds_what_inotify_did_not_tell(site, monkeypatch):
    monkeypatch.setattr(TreeWatch, "read_changed_workloads", lambda _: set())
    monkeypatch.setattr("flotta.sync.comparison.MAX_REUSES", 3)
    site.write("stats/a", b"1")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1)
        await loop.cycles(2)
        site.write("stats/b", b"2")
        await eventually(lambda: loop.status("shop").files_up == 2)
