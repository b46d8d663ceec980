"""Removal of a directory that a program has filled."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from immutable_files import refuse_removal

from deep_directories import deep_directory
from flotta import tree_removal
from flotta.tree_removal import empty_directory, empty_tree, remove_tree
from small_disk import mount_small_disk


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + tree_removal.LEVELS + 8, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_descriptors")
@pytest.mark.parametrize("name", ["d", "n" * 255])
@pytest.mark.parametrize("depth", [1, 31, 32, 33, 64, 1200])
def test_any_depth_is_removed_with_few_descriptors(tmp_path: Path, depth: int, name: str) -> None:
    with deep_directory(tmp_path / "export", depth, name):
        assert remove_tree(tmp_path / "export") == []
        assert os.listdir(tmp_path) == []


def test_breadth_links_and_odd_names_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    top = tmp_path / "export"
    for number in range(2 * tree_removal.BATCH):
        (top / f"folder{number}" / "below").mkdir(parents=True)
        (top / f"file{number}").write_text("")
    (top / "link").symlink_to(outside)
    (top / "folder0/link").symlink_to(outside)
    os.mkfifo(top / "folder0/fifo")
    os.mkdir(os.fsencode(top) + b"/\xff\n")
    assert remove_tree(top) == []
    assert os.listdir(tmp_path) == ["outside"]
    assert (outside / "kept").exists()


def test_a_missing_tree_a_file_and_a_link_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "file").write_text("")
    for name in ("missing", "missing/below", "file/below", "link", "file"):
        assert remove_tree(tmp_path / name) == []
    assert os.listdir(tmp_path) == ["target"]


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names that cannot be removed, as if they were marked immutable."""
    names: set[str] = set()
    refuse_removal(monkeypatch, names)
    return names


def test_what_stays_is_named_and_stops_nothing_else(tmp_path: Path, stubborn: set[str]) -> None:
    top = tmp_path / "export"
    for folder in ("a", "b", "c"):
        (top / folder / "inner").mkdir(parents=True)
        (top / folder / "inner/file").write_text("")
    (top / "b/inner/stubborn").write_text("")
    stubborn.add("stubborn")
    (failure,) = remove_tree(top)
    assert failure.path == f"{top}/b/inner/stubborn"
    assert "chattr -i" in failure.reason
    assert [path.relative_to(top).as_posix() for path in sorted(top.rglob("*"))] == [
        "b",
        "b/inner",
        "b/inner/stubborn",
    ]
    stubborn.clear()
    assert remove_tree(top) == []
    assert not top.exists()


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """Yield a file that is marked immutable, where the file system has such marks."""
    path = tmp_path / "export/a/marked"
    path.parent.mkdir(parents=True)
    path.write_text("")
    mark = subprocess.run(["chattr", "+i", path], capture_output=True, check=False)
    if mark.returncode != 0:
        pytest.skip("this file system or user cannot mark a file as immutable")
    yield path
    subprocess.run(["chattr", "-i", path], capture_output=True, check=False)


def test_an_immutable_file_is_named_and_everything_else_goes(
    tmp_path: Path, immutable: Path
) -> None:
    (tmp_path / "export/b").mkdir()
    (failure,) = remove_tree(tmp_path / "export")
    assert failure.path == str(immutable)
    assert "chattr -i" in failure.reason
    assert os.listdir(tmp_path / "export") == ["a"]


def test_a_mount_stays_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "export/a").mkdir(parents=True)
    with mount_small_disk(tmp_path / "export/a/disk") as disk:
        (disk.path / "kept").write_text("")
        (failure,) = remove_tree(tmp_path / "export")
        assert failure.path == str(disk.path)
        assert "unmount" in failure.reason
        assert (disk.path / "kept").exists()
    assert remove_tree(tmp_path / "export") == []


@pytest.mark.deep
@pytest.mark.usefixtures("few_descriptors")
def test_very_many_files_and_directories_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "export"
    for number in range(10_000):
        (top / f"{number % 100}" / f"{number}").mkdir(parents=True)
    for number in range(100_000):
        os.close(os.open(top / f"{number % 100}" / f"file{number}", os.O_CREAT))
    assert remove_tree(top) == []
    assert not top.exists()


def test_a_directory_that_is_filled_without_end_is_left_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "export"
    top.mkdir()
    (top / "0").write_text("")
    moments = itertools.count()
    unlink = os.unlink

    def refill(name: str, *, dir_fd: int | None = None) -> None:
        unlink(name, dir_fd=dir_fd)
        (top / f"{int(name) + 1}").write_text("")

    monkeypatch.setattr(os, "unlink", refill)
    monkeypatch.setattr(tree_removal.time, "monotonic", lambda: float(next(moments)))
    (failure,) = remove_tree(top)
    assert failure.path == str(top)
    assert "within 600 s" in failure.reason
    monkeypatch.undo()
    assert remove_tree(top) == []


def test_very_many_failures_are_counted_not_listed(tmp_path: Path, stubborn: set[str]) -> None:
    top = tmp_path / "export"
    top.mkdir()
    stubborn.update(f"stubborn{number}" for number in range(tree_removal.MAX_FAILURES + 200))
    for name in (*stubborn, *(f"file{number}" for number in range(500))):
        (top / name).write_text("")
    failures = remove_tree(top)
    assert len(failures) == tree_removal.MAX_NAMED + 1
    assert set(os.listdir(top)) == stubborn


def test_a_directory_is_emptied_but_for_what_is_kept(tmp_path: Path) -> None:
    for name in ("kept", "a", "b"):
        (tmp_path / name / "below").mkdir(parents=True)
    assert empty_directory(tmp_path, kept=("kept",)) == []
    assert os.listdir(tmp_path) == ["kept"]
    assert empty_directory(tmp_path / "missing") == []


def test_a_tree_is_emptied_and_its_top_stays(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    assert empty_tree(tmp_path / "export") == []
    with deep_directory(tmp_path / "export", 64):
        (tmp_path / "export/file").write_text("")
        assert empty_tree(tmp_path / "export") == []
        assert os.listdir(tmp_path) == ["export"]
        assert os.listdir(tmp_path / "export") == []
    assert empty_tree(tmp_path / "absent") == []
