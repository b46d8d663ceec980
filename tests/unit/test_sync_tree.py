from __future__ import annotations

import os
import socket

import pytest

from flotta.sync import tree


def found(root, source=""):
    skipped = []
    files = sorted(path for path, _ in tree.walk(root, source, skipped.append))
    return files, sorted(str(entry) for entry in skipped)


def test_walk_finds_regular_files_at_any_depth(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"1")
    (tmp_path / "a" / "d").write_bytes(b"1")
    assert found(tmp_path) == (["a/b/c", "a/d"], [])
    assert found(tmp_path, "a") == (["b/c", "d"], [])


def test_a_missing_source_is_nothing_to_do(tmp_path):
    assert found(tmp_path, "missing/deep") == ([], [])


def test_links_fifos_and_sockets_are_skipped_with_their_kind(tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "dirlink").symlink_to("/etc")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket"))
        files, skipped = found(tmp_path)
    assert files == []
    assert skipped == [
        "dirlink: is a symbolic link",
        "fifo: is a FIFO",
        "link: is a symbolic link",
        "socket: is a socket",
    ]


def test_files_behind_links_cannot_be_opened(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "etc").symlink_to("/etc")
    for path in ("passwd", "etc/passwd"):
        with pytest.raises(OSError), tree.open_file(root, path):  # noqa: PT011
            pass
        assert path == "passwd" or tree.stat_path(root, path) is None


def test_opening_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="FIFO"), tree.open_file(tmp_path, "fifo"):
        pass


def test_place_makes_directories_and_replaces_a_link_itself(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "x").symlink_to(outside)
    new = tmp_path / "new"
    new.write_bytes(b"content")
    tree.move_into_place(new, root, "a/x")
    assert outside.read_bytes() == b"untouched"
    assert not (root / "a" / "x").is_symlink()
    assert (root / "a" / "x").read_bytes() == b"content"


def test_place_does_not_write_through_a_linked_directory(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(outside)
    new = tmp_path / "new"
    new.write_bytes(b"content")
    with pytest.raises(OSError):  # noqa: PT011
        tree.move_into_place(new, root, "a/x")
    assert list(outside.iterdir()) == []


def test_place_refuses_a_directory(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    new = tmp_path / "new"
    new.write_bytes(b"content")
    with pytest.raises(IsADirectoryError, match="is a directory on the device"):
        tree.move_into_place(new, tmp_path / "root", "a")
