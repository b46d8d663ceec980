"""The transferring child's end of its files: descriptors that the worker opened."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flotta.sync.job import (
    MESSAGE_LIMIT,
    DownloadTask,
    FileAction,
    FileReply,
    FileRequest,
    UploadTask,
    decode_file_reply,
    encode_file_request,
)
from flotta.sync.model import FileStat


class TaskFiles:
    """Asks the worker for the files of tasks; may be used by several threads.

    Each method raises the OSError that the worker got.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @contextmanager
    def open_source(self, task: UploadTask | DownloadTask) -> Iterator[int]:
        """Yield a descriptor that reads the regular file in the export directory."""
        with _closing(self._ask(task, "open-source")) as descriptor:
            yield descriptor

    @contextmanager
    def open_partial(self, task: DownloadTask) -> Iterator[int]:
        """Yield a descriptor that reads and writes the partial file; it may have content."""
        with _closing(self._ask(task, "open-partial")) as descriptor:
            yield descriptor

    def place(self, task: DownloadTask) -> FileStat:
        """Make the partial file, which is complete and flushed, the file on the device."""
        reply, _ = self._ask(task, "place")
        return FileStat(*reply.stat or (0, 0, 0, 0))

    def discard(self, task: DownloadTask) -> None:
        """Remove the partial file."""
        self._ask(task, "discard")

    def _ask(
        self, task: UploadTask | DownloadTask, action: FileAction
    ) -> tuple[FileReply, list[int]]:
        with self._lock:
            self._connection.send(encode_file_request(FileRequest(task.number, action)))
            data, descriptors, _, _ = socket.recv_fds(self._connection, MESSAGE_LIMIT, 1)
        if not data:
            raise ConnectionAbortedError("the worker opens no more files for this transfer")
        reply = decode_file_reply(data)
        if reply.errno is not None:
            raise OSError(reply.errno, reply.message)
        return reply, descriptors


@contextmanager
def _closing(answer: tuple[FileReply, list[int]]) -> Iterator[int]:
    (descriptor,) = answer[1]
    try:
        yield descriptor
    finally:
        os.close(descriptor)
