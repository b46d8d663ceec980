"""What a dropped access key had begun: found by the files that a process has open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flotta.storage import begun_transfers
from flotta.storage.access_keys import AccessKey, new_access_key_id
from flotta.storage.begun_transfers import LOOKS, BegunTransfers
from flotta.storage.key_store import drop_key, write_key

HERE = os.getpid()  # this process is rclone


class Server:
    """Buckets and keys of a server."""

    def __init__(self, folder: Path) -> None:
        self.root, self.keys = folder / "buckets", folder / "keys"
        for path in (self.root, self.keys, self.root / "gone", self.root / "stays"):
            path.mkdir()
        self.begun = BegunTransfers(self.root, self.keys)

    def key(self, bucket: str) -> str:
        key = AccessKey(new_access_key_id(), "secret", bucket)
        write_key(self.keys, key)
        self.begun.learn(frozenset({key.access_key}))
        return key.access_key

    def drop(self, access_key: str) -> None:
        drop_key(self.keys, access_key)
        self.begun.note_closed([access_key])

    @contextmanager
    def transfer(self, bucket: str) -> Iterator[Path]:
        path = self.root / bucket / f".rclone_temp_{new_access_key_id()}"
        with path.open("wb"):
            yield path


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_what_has_begun_ends_when_nobody_else_transfers(server: Server) -> None:
    gone = server.key("gone")
    server.key("stays")
    with server.transfer("gone"):
        with server.transfer("stays"):
            assert not server.begun.must_end(HERE)
            server.drop(gone)
            assert not server.begun.must_end(HERE)
        assert server.begun.must_end(HERE)


def test_nothing_ends_where_nothing_has_begun(server: Server) -> None:
    gone = server.key("gone")
    with server.transfer("stays"):
        server.drop(gone)
        assert not server.begun.must_end(HERE)
    assert not server.begun.must_end(HERE)


def test_what_ends_by_itself_is_forgotten(server: Server) -> None:
    gone = server.key("gone")
    with server.transfer("gone"), server.transfer("stays"):
        server.drop(gone)
        assert not server.begun.must_end(HERE)
    assert not server.begun.must_end(HERE)
    for _ in range(LOOKS):
        assert not server.begun.must_end(HERE)
    with server.transfer("gone"):  # the administrator's, later
        assert not server.begun.must_end(HERE)


def test_a_bucket_that_another_key_opens_is_left_alone(server: Server) -> None:
    old = server.key("gone")
    server.key("gone")
    with server.transfer("gone"):
        server.drop(old)
        assert not server.begun.must_end(HERE)


def test_an_upload_that_grows_on_and_on_does_not_wait_for_the_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun_transfers, "MOST", 100)
    gone = server.key("gone")
    with server.transfer("gone") as path, server.transfer("stays") as other:
        server.drop(gone)
        assert not server.begun.must_end(HERE)
        other.write_bytes(b"1" * 200)
        path.write_bytes(b"1" * 100)
        assert not server.begun.must_end(HERE)
        path.write_bytes(b"1" * 101)
        assert server.begun.must_end(HERE)


def test_a_process_that_has_ended_has_nothing_open(server: Server) -> None:
    gone = server.key("gone")
    with server.transfer("gone"):
        server.drop(gone)
        assert not server.begun.must_end(2**22 + 1)  # beyond the largest process id
