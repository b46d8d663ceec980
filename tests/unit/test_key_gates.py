"""Gates of access keys: what a closed one prevents, and how gates follow the keys."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from flotta.storage import directory_names
from flotta.storage.access_keys import AccessKey, new_access_key_id
from flotta.storage.auth_proxy import make_rclone_backend
from flotta.storage.directory_names import DirectoryNames
from flotta.storage.key_gates import KeyGates
from flotta.storage.key_store import KeyIds, drop_key, write_key

FIRST, SECOND = "A" * 20, "B" * 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "buckets"
    (root / "till-1").mkdir(parents=True)
    (root / "till-1" / "receipt").write_bytes(b"1")
    return root


@pytest.fixture
def gates(tmp_path: Path, root: Path) -> KeyGates:
    made = KeyGates(tmp_path / "gates", root)
    made.prepare(frozenset())
    return made


def test_an_open_gate_leads_to_the_buckets(gates: KeyGates, root: Path) -> None:
    gates.open(FIRST)

    assert (gates.path_through(FIRST) / "till-1" / "receipt").read_bytes() == b"1"
    assert not gates.path_through(FIRST).is_symlink()


def test_behind_a_closed_gate_nothing_is_read_written_or_made(gates: KeyGates, root: Path) -> None:
    gates.open(FIRST)
    gates.open(SECOND)
    bucket = gates.path_through(FIRST) / "till-1"

    gates.close(FIRST)

    with pytest.raises(NotADirectoryError):
        (bucket / "receipt").read_bytes()
    with pytest.raises(NotADirectoryError):
        (bucket / "new").write_bytes(b"2")
    with pytest.raises(NotADirectoryError):
        os.makedirs(bucket / "folder")
    with pytest.raises(NotADirectoryError):
        os.replace(root / "till-1" / "receipt", bucket / "moved")
    assert (gates.path_through(SECOND) / "till-1" / "receipt").read_bytes() == b"1"


def test_gates_follow_the_keys_both_ways(gates: KeyGates) -> None:
    assert gates.settle(frozenset({FIRST, SECOND})) == []
    assert gates.path_through(FIRST).exists()

    assert gates.settle(frozenset({SECOND})) == [FIRST]
    assert not gates.path_through(FIRST).exists()
    assert gates.settle(frozenset({FIRST, SECOND})) == []
    assert gates.path_through(FIRST).exists()


def test_a_gate_that_was_made_for_a_key_dropped_meanwhile_is_closed(gates: KeyGates) -> None:
    keys: frozenset[str] = frozenset()
    gates.settle(keys)

    gates.open(FIRST)

    assert gates.settle(keys) == [FIRST]


def test_gates_that_somebody_removes_are_made_again(gates: KeyGates, tmp_path: Path) -> None:
    gates.settle(frozenset({FIRST}))
    shutil.rmtree(tmp_path / "gates")

    assert gates.settle(frozenset({FIRST})) == []
    assert gates.path_through(FIRST).exists()


def test_a_gate_that_a_proxy_is_about_to_put_in_place_is_left_alone(
    gates: KeyGates, tmp_path: Path, root: Path
) -> None:
    new = tmp_path / "gates" / f".{FIRST}.1"
    new.symlink_to(root.parent)

    assert gates.settle(frozenset({FIRST})) == []
    assert new.is_symlink()

    gates.prepare(frozenset({FIRST}))  # no proxy runs at a start
    assert not new.is_symlink()


def test_a_start_keeps_the_gates_of_keys_and_removes_all_others(
    gates: KeyGates, tmp_path: Path
) -> None:
    gates.open(FIRST)
    gates.open(SECOND)
    gates.close(SECOND)
    (tmp_path / "gates" / f".{FIRST}.1").touch()  # a power cut left it

    gates.prepare(frozenset({FIRST}))

    assert os.listdir(tmp_path / "gates") == [FIRST]


def test_a_gate_to_a_folder_of_buckets_that_has_moved_is_made_again(
    gates: KeyGates, root: Path, tmp_path: Path
) -> None:
    gates.open(FIRST)
    moved = tmp_path / "elsewhere" / "buckets"
    moved.parent.mkdir()
    root.rename(moved)

    after = KeyGates(tmp_path / "gates", moved)
    after.prepare(frozenset({FIRST}))

    assert (after.path_through(FIRST) / "till-1" / "receipt").exists()


def test_a_full_disk_does_not_keep_a_gate_open(
    gates: KeyGates, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates.open(FIRST)

    def touch(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "touch", touch)
    gates.close(FIRST)

    assert not gates.path_through(FIRST).exists()


def test_a_key_that_is_dropped_while_rclone_asks_about_it_opens_nothing(
    gates: KeyGates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    key = AccessKey(new_access_key_id(), "secret", "till-1")
    write_key(keys, key)
    opened = KeyGates.open

    def open_late(self: KeyGates, access_key: str) -> None:
        drop_key(keys, access_key)
        opened(self, access_key)

    monkeypatch.setattr(KeyGates, "open", open_late)

    assert make_rclone_backend(key.access_key, keys, gates) is None
    assert not gates.path_through(key.access_key).exists()


def test_ids_are_read_again_only_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_names, "TICK", 0)
    ids = KeyIds(tmp_path)
    key = AccessKey(new_access_key_id(), "secret", "till-1")
    write_key(tmp_path, key)

    first = ids.read()

    assert first == {key.access_key}
    assert ids.read() is first
    drop_key(tmp_path, key.access_key)
    os.utime(tmp_path, ns=(1, 1))  # another time than before, whatever the clock's tick is
    assert ids.read() == frozenset()


def test_a_change_within_the_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    names = DirectoryNames(tmp_path)
    before = tmp_path.stat()
    assert names.read() == frozenset()

    (tmp_path / "new").touch()
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert names.read() == {"new"}
