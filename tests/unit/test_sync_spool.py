"""Downloads onto file systems of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flotta.sync import linux, paths, tree
from flotta.sync.spool import Spool, open_partial
from small_disk import mount_small_disk


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    folder = tmp_path / "volumes"
    (folder / "web/a").mkdir(parents=True)
    return folder


def fetch(volumes: Path, path: str) -> None:
    """Do what the worker does for a download, in the same order."""
    spool = Spool(volumes, volumes.parent / "spool")
    with spool.open_folder("web", path) as folder:
        descriptor = open_partial(folder, "x.part")
        os.write(descriptor, b"data")
        os.close(descriptor)
    with spool.open_folder("web", path) as folder:
        tree.move_into_place("x.part", volumes / "web", path, folder)
    assert (volumes / "web" / path).read_bytes() == b"data"


@pytest.mark.parametrize("place", ["", "web", "web/a", "web/a/b"])
def test_a_file_arrives_whatever_its_folders_are_on(volumes: Path, place: str) -> None:
    (volumes / place).mkdir(parents=True, exist_ok=True)
    with mount_small_disk(volumes / place):
        fetch(volumes, "a/b/c/file")
        spool = Spool(volumes, volumes.parent / "spool")
        folder = volumes / place / paths.SPOOL_NAME
        assert folder.is_dir()
        spool.clear()
        assert not folder.exists()
        assert list((volumes.parent / "spool").iterdir()) == []


def test_another_mount_of_the_same_file_system_is_one_too(volumes: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    linux.mount(str(tmp_path / "elsewhere"), str(volumes / "web/a"), None, linux.MS_BIND)
    try:
        fetch(volumes, "a/file")
    finally:
        linux.unmount(str(volumes / "web/a"))
    assert (tmp_path / "elsewhere/file").read_bytes() == b"data"


def test_without_a_mount_the_usual_folder_is_used(volumes: Path) -> None:
    fetch(volumes, "a/file")
    fetch(volumes, "new/b/file")
    assert sorted(os.listdir(volumes / "web")) == ["a", "new"]


def test_what_a_container_put_in_place_of_a_partial_file_is_not_written(
    volumes: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("own")
    for plant in (lambda p: p.symlink_to(outside), lambda p: os.link(outside, p), os.mkfifo):
        plant(tmp_path / "spool/x.part")
        fetch(volumes, "a/file")
    assert outside.read_text() == "own"
    with mount_small_disk(volumes / "web"):
        (volumes / "web" / paths.SPOOL_NAME).symlink_to(tmp_path)
        with pytest.raises(OSError, match=r"Not a directory|symbolic"):
            fetch(volumes, "a/file")


def test_the_folder_is_neither_sent_nor_fetched(volumes: Path) -> None:
    (volumes / "web" / paths.SPOOL_NAME).mkdir()
    (volumes / "web" / paths.SPOOL_NAME / "x.part").write_text("half")
    (volumes / "web/a/file").write_text("all")
    assert [name for name, _ in tree.walk(volumes / "web", "", pytest.fail)] == ["a/file"]
    with pytest.raises(paths.NameRefusedError):
        paths.path_of_key("/", "/", f"{paths.SPOOL_NAME}/x.part")
