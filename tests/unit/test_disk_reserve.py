"""Room on the disk that our own writes leave free, on real file systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flotta.disk_reserve import ReserveReached, check_room, reserve_of
from flotta.sync import download
from flotta.sync.download import Downloader
from flotta.sync.job import DownloadTask
from flotta.worker import image_pull
from flotta.worker.errors import WorkloadError
from flotta.worker.image_pull import pull_image
from small_disk import SmallDisk, mount_small_disk

MIB = 1 << 20
GIB = 1 << 30


@pytest.mark.parametrize(
    ("size", "reserve"),
    [
        (0, 0),
        (64 * MIB, 16 * MIB),
        (GIB, 256 * MIB),
        (5 * GIB, 256 * MIB),
        (10 * GIB, 512 * MIB),
        (20 * GIB, GIB),
        (10**15, GIB),
    ],
)
def test_the_reserve_is_a_twentieth_within_limits_and_a_quarter_at_most(
    size: int, reserve: int
) -> None:
    assert reserve_of(size) == reserve


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mount_small_disk(tmp_path / "disk", "64m") as disk:
        yield disk


def test_there_is_room_down_to_the_reserve(disk: SmallDisk) -> None:
    for place in (disk.path, disk.path / "not/there", os.open(disk.path, os.O_RDONLY)):
        check_room(place)
        check_room(place, 48 * MIB)
        with pytest.raises(
            ReserveReached, match=r"less than 16 MiB free, .* \[DiskReserveReached\]"
        ):
            check_room(place, 49 * MIB)
    with (disk.path / "file").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 49 * MIB)
    with pytest.raises(ReserveReached):
        check_room(disk.path)


def test_where_the_system_does_not_say_how_much_is_free_there_is_room() -> None:
    check_room(Path("/proc"), GIB)


class Body:
    """The body of an object that never ends."""

    def read(self, size: int) -> bytes:
        return bytes(size)

    def close(self) -> None:
        return


class Bucket:
    """A bucket with objects of any size; counts the requests."""

    requests = 0

    def get_object(self, **_: object) -> dict[str, object]:
        self.requests += 1
        return {"ETag": '"e-1"', "ContentLength": 40 * MIB, "Body": Body()}


def task(size: int) -> DownloadTask:
    return DownloadTask(0, "web", "file", "file", "e-1", size, "monday")


class Files:
    """The files of a download, which the worker opens; the partial one is on the small disk."""

    def __init__(self, folder: Path) -> None:
        self._partial = folder / "file.part"

    @contextmanager
    def open_source(self, _: DownloadTask) -> Iterator[int]:
        raise FileNotFoundError
        yield 0

    @contextmanager
    def open_partial(self, _: DownloadTask) -> Iterator[int]:
        descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT)
        yield descriptor
        os.close(descriptor)

    def discard(self, _: DownloadTask) -> None:
        self._partial.unlink()


def downloader(bucket: Bucket, disk: SmallDisk) -> Downloader:
    return Downloader(bucket, "b", Files(disk.path))  # type: ignore[arg-type]


def test_an_object_that_would_use_the_reserve_is_not_requested(disk: SmallDisk) -> None:
    bucket = Bucket()
    with pytest.raises(ReserveReached):
        downloader(bucket, disk).fetch_object(task(49 * MIB))
    assert bucket.requests == 0
    assert os.listdir(disk.path) == []


def test_a_download_ends_when_others_have_used_the_room(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []

    def look(place: int, wanted: int = 0) -> None:
        looks.append(place)
        if len(looks) == 2:  # a pod has written meanwhile
            with (disk.path / "pod").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 40 * MIB)
        check_room(place, wanted)

    monkeypatch.setattr(download, "check_room", look)
    with pytest.raises(ReserveReached):
        downloader(Bucket(), disk).fetch_object(task(40 * MIB))
    assert os.listdir(disk.path) == ["pod"]


PODMAN = """#!/bin/sh
case "$1" in
info) echo {storage};;
pull) echo "$@" >> {log}; head -c 64M /dev/zero > "$TMPDIR/layer"; exec sleep 1000;;
esac
"""


async def test_the_pull_of_an_image_ends_before_the_reserve(
    disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("flotta-pull-old", "other"):  # of a worker that was killed, and of somebody else
        (disk.path / name / "layers").mkdir(parents=True)
        os.utime(disk.path / name, (0, 0))
    log = tmp_path / "log"
    program = tmp_path / "podman"
    program.write_text(PODMAN.format(storage=disk.path / "storage", log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(image_pull, "DOWNLOADS", disk.path)
    monkeypatch.setattr(image_pull, "LOOK", 0.01)

    with pytest.raises(WorkloadError) as refusal:
        await pull_image("x:1", None)
    assert refusal.value.reason == "DiskReserveReached"
    assert "less than 16 MiB free" in refusal.value.message
    assert log.read_text() == "pull -q -- x:1\n"
    assert os.listdir(disk.path) == ["other"]

    with (disk.path / "pod").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 49 * MIB)
    log.unlink()
    with pytest.raises(WorkloadError):
        await pull_image("x:1", None)
    assert not log.exists()
