from __future__ import annotations

import contextlib
import os
import threading

from sync_site import BUCKET, running, with_endpoint

from waiting import eventually

MEBIBYTE = 1 << 20


async def test_a_server_that_was_down_is_used_again_by_itself(site, link):
    storage = with_endpoint(site.storage, link.endpoint)
    await link.down()
    site.write("stats/a", b"1")
    async with running(site, storage=storage) as loop:
        error = await eventually(lambda: loop.status("shop").error)
        assert link.endpoint in error
        assert "cannot be reached" in error
        assert error.endswith("[StorageUnreachable]")
        site.write("stats/b", b"2")
        await link.up()
        await eventually(lambda: loop.status("shop").files_up == 2)
        await eventually(lambda: loop.status("shop").error is None)
    assert site.get("statistics/b") == b"2"


async def test_a_download_that_breaks_off_goes_on_where_it_was(site, link):
    data = os.urandom(24 * MEBIBYTE)
    site.put("configuration/big", data)
    storage = with_endpoint(site.storage, link.endpoint)
    link.delay = 0.004
    async with running(site, storage=storage) as loop:
        part = await eventually(lambda: big_enough(site, 4 * MEBIBYTE))
        await link.down()
        await eventually(lambda: loop.status("shop").error)
        kept = part.stat().st_size
        link.delay = 0.0
        await link.up()
        await eventually((site.export / "config" / "big").exists, 60)
    assert kept >= 4 * MEBIBYTE
    assert (site.export / "config" / "big").read_bytes() == data


def big_enough(site, size):
    parts = (site.volumes.parent / "spool").glob("*.part")
    with contextlib.suppress(FileNotFoundError):
        return next((part for part in parts if part.stat().st_size >= size), None)
    return None


async def test_a_multipart_upload_that_breaks_off_sends_only_the_missing_parts(site, link):
    data = os.urandom(40 * MEBIBYTE + 1)
    site.write("stats/big", data)
    storage = with_endpoint(site.storage, link.endpoint)
    link.delay = 0.004
    async with running(site, storage=storage):
        await eventually(lambda: site.transfers()[f"PART {BUCKET}/statistics/big"] >= 3)
        await link.down()
    link.delay = 0.0
    await link.up()
    async with running(site, storage=storage) as loop:
        await eventually(lambda: loop.status("shop").files_up == 1, 60)
    assert site.get("statistics/big") == data
    assert site.transfers()[f"PART {BUCKET}/statistics/big"] <= 6 + 1


async def test_the_upload_of_a_removed_file_is_aborted(site, link):
    file = site.write("stats/big", os.urandom(40 * MEBIBYTE))
    storage = with_endpoint(site.storage, link.endpoint)
    link.delay = 0.004
    async with running(site, storage=storage):
        await eventually(lambda: site.transfers()[f"PART {BUCKET}/statistics/big"] >= 2)
        await link.down()
    assert site.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    file.unlink()
    link.delay = 0.0
    await link.up()
    async with running(site, storage=storage):
        await eventually(
            lambda: not site.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
        )


async def test_a_file_that_changes_while_it_is_read_is_sent_whole_when_it_rests(site):
    file = site.write("stats/log", b"")
    stop = threading.Event()

    def write() -> None:
        with file.open("ab") as output:
            while not stop.wait(0.0005):
                output.write(os.urandom(512) * 256)
                output.flush()
                if output.tell() > 48 * MEBIBYTE:
                    output.truncate(0)
                    output.seek(0)

    writer = threading.Thread(target=write)
    writer.start()
    async with running(site) as loop:
        await eventually(
            lambda: "keeps changing while it is read" in str(loop.status("shop").error)
        )
        stop.set()
        writer.join()
        await eventually(lambda: site.get("statistics/log") == file.read_bytes(), 30)
        await eventually(lambda: loop.status("shop").error is None)


async def test_a_name_that_only_begins_with_dots_is_an_ordinary_name(site):
    site.put("configuration/..hidden", b"1")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_down == 1)
    assert (site.export / "config" / "..hidden").read_bytes() == b"1"
