from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest
from s3_server import running_s3
from sync_site import BUCKET, WORKLOAD, Site, eventually, make_site, running

from flotta.sync.loop import Pair, SyncWorkload


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def site(server, tmp_path) -> Site:
    site = make_site(server, tmp_path / "device")
    yield site
    for key in site.bucket_keys():
        site.client.delete_object(Bucket=BUCKET, Key=key)


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
