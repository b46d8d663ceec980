from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import contextmanager

import pytest

from flotta.sync.file_client import TaskFiles
from flotta.sync.file_service import FileService
from flotta.sync.job import AbortTask, DownloadTask, FileRequest, UploadTask, encode_file_request

UPLOAD = UploadTask(0, "shop", "stats/a", "statistics/a", check=False)
DOWNLOAD = DownloadTask(1, "shop", "config/b", "configuration/b", "etag", 3, "today")
ABORT = AbortTask(2, "shop", "stats/c", "statistics/c", "id")
ENDED = "opens no more files"


@contextmanager
def serving(folder):
    (folder / "spool").mkdir(exist_ok=True)
    service = FileService(folder / "volumes", folder / "spool", [UPLOAD, DOWNLOAD, ABORT])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    thread = threading.Thread(target=service.serve, args=(ours,))
    thread.start()
    try:
        with theirs:
            yield service, theirs
    finally:
        thread.join(60)
    assert not thread.is_alive()


def make_file(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_source_is_read_by_its_descriptor_and_cannot_be_written(tmp_path):
    make_file(tmp_path / "volumes/shop/stats/a", b"data")
    with serving(tmp_path) as (_, connection):
        with TaskFiles(connection).open_source(UPLOAD) as descriptor:
            assert os.pread(descriptor, 10, 0) == b"data"
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.pwrite(descriptor, b"x", 0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_partial_file_is_filled_and_placed_by_the_worker(tmp_path):
    with serving(tmp_path) as (_, connection):
        files = TaskFiles(connection)
        with files.open_partial(DOWNLOAD) as descriptor:
            os.pwrite(descriptor, b"abc", 0)
        stat = files.place(DOWNLOAD)
    placed = tmp_path / "volumes/shop/config/b"
    assert placed.read_bytes() == b"abc"
    assert (stat.size, stat.inode) == (3, placed.stat().st_ino)
    assert placed.stat().st_mode & 0o7777 == 0o644
    assert [*(tmp_path / "spool").iterdir()] == []


def test_errors_of_files_arrive_with_their_number_and_text(tmp_path):
    (tmp_path / "volumes/shop/config/b").mkdir(parents=True)
    with serving(tmp_path) as (_, connection):
        files = TaskFiles(connection)
        with pytest.raises(FileNotFoundError), files.open_source(UPLOAD):
            pass
        with files.open_partial(DOWNLOAD):
            pass
        with pytest.raises(IsADirectoryError, match="is a directory on the device"):
            files.place(DOWNLOAD)
        files.discard(DOWNLOAD)
        files.discard(DOWNLOAD)
    assert [*(tmp_path / "spool").iterdir()] == []


def test_links_of_a_container_are_not_opened(tmp_path):
    (tmp_path / "volumes/shop/stats").mkdir(parents=True)
    (tmp_path / "volumes/shop/stats/a").symlink_to("/etc/shadow")
    with serving(tmp_path) as (_, connection):
        opening = TaskFiles(connection).open_source(UPLOAD)
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)), opening:
            pass


@pytest.mark.parametrize(
    "packet",
    [
        encode_file_request(FileRequest(7, "open-source")),
        encode_file_request(FileRequest(-1, "open-source")),
        encode_file_request(FileRequest(ABORT.number, "open-source")),
        encode_file_request(FileRequest(UPLOAD.number, "open-partial")),
        encode_file_request(FileRequest(UPLOAD.number, "place")),
        encode_file_request(FileRequest(UPLOAD.number, "discard")),
        b'{"number": 0, "action": "open", "path": "/etc/shadow"}',
        b"\xff",
        b"{" * 5000,
    ],
)
def test_what_is_not_part_of_the_job_is_refused_and_ends_the_service(tmp_path, packet, caplog):
    make_file(tmp_path / "volumes/shop/stats/a", b"data")
    with serving(tmp_path) as (_, connection):
        connection.send(packet)
        assert connection.recv(100) == b""
    assert "FileRequestRefused" in caplog.text
    assert (tmp_path / "volumes/shop/stats/a").read_bytes() == b"data"


def test_a_stopped_service_places_nothing(tmp_path):
    with serving(tmp_path) as (service, connection):
        files = TaskFiles(connection)
        with files.open_partial(DOWNLOAD):
            service.stop()
        with pytest.raises(ConnectionAbortedError, match=ENDED):
            files.place(DOWNLOAD)
    assert not (tmp_path / "volumes").exists()
