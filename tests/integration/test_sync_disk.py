"""Synchronisation on a disk that is full, or nearly, with a real S3 server and the real child."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sync_site import Site, running

from small_disk import SmallDisk, mount_small_disk
from waiting import eventually


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    # Six mebibytes more than the reserve.
    with mount_small_disk(tmp_path / "disk", "8m") as disk:
        yield disk


@pytest.fixture
def small(site: Site, disk: SmallDisk) -> Site:
    small = replace(site, base=disk.path)
    small.export.mkdir(parents=True)
    return small


async def test_downloads_leave_the_reserve_and_everything_else_continues(
    small: Site, disk: SmallDisk
) -> None:
    small.put("configuration/big", os.urandom(8 << 20))
    small.put("configuration/little", b"words")
    small.write("stats/a", b"1")
    async with running(small) as loop:
        await eventually(lambda: (small.export / "config/little").exists())
        await eventually(lambda: small.get("statistics/a"))
        await eventually(lambda: "[DiskReserveReached]" in (loop.status("shop").error or ""))
        assert not (small.export / "config/big").exists()
        assert not list((disk.path / "spool").glob("*.part"))


async def test_a_full_disk_is_synchronised_and_its_state_is_stored_later(
    small: Site, disk: SmallDisk
) -> None:
    small.put("configuration/little", b"words")
    small.write("stats/a", b"1")
    filling = disk.fill()
    async with running(small) as loop:
        await eventually(lambda: small.get("statistics/a"))
        await eventually(lambda: loop.status("shop").files_up == 1)
        assert loop.problem is not None
        filling.unlink()
        await eventually(lambda: loop.problem is None)
        await eventually(lambda: (small.export / "config/little").exists())
    assert small.loop().status("shop").files_up == 1
