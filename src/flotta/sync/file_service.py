"""The worker's end of the transferring child's files: it opens them and moves them into place.

The child names a task of its job and what it wants of its file, never a path, and gets an open
descriptor (unix(7), SCM_RIGHTS). So it needs no right on any file of the device.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

from flotta.disk_reserve import check_room
from flotta.protocol.reasons.sync import FILE_REQUEST_REFUSED
from flotta.sync import tree
from flotta.sync.job import (
    MESSAGE_LIMIT,
    AbortTask,
    DownloadTask,
    FileAction,
    FileReply,
    Task,
    decode_file_request,
    encode_file_reply,
)
from flotta.sync.spool import Spool, open_partial

log = logging.getLogger(__name__)


class _RefusedError(Exception):
    """The child asked for something that does not belong to its job."""


class FileService:
    """Serves the files of one job. `volumes` has the export directories, `spool` partial files."""

    def __init__(self, volumes: Path, spool: Path, tasks: Iterable[Task]) -> None:
        self._volumes = volumes
        self._spool = Spool(volumes, spool)
        self._tasks = {task.number: task for task in tasks}
        self._stopped = False

    def stop(self) -> None:
        """Do nothing more for the child, whatever it has already asked for."""
        self._stopped = True

    def serve(self, connection: socket.socket) -> bool:
        """Answer one request after the other until the child closes; blocking.

        Returns False after a request that is not part of the job: such a child must be ended.
        """
        with connection, contextlib.suppress(ConnectionError):
            while (data := connection.recv(MESSAGE_LIMIT)) and not self._stopped:
                try:
                    self._answer(connection, data)
                except _RefusedError as refusal:
                    log.error(
                        "The transferring process asked for a file in vain: %s [%s]",
                        refusal,
                        FILE_REQUEST_REFUSED,
                    )
                    return False
        return True

    def _answer(self, connection: socket.socket, data: bytes) -> None:
        action, task = self._read_request(data)
        try:
            reply, descriptor = self._perform(action, task)
        except OSError as error:
            reply = FileReply(error.errno or errno.EIO, error.strerror or str(error))
            descriptor = None
        descriptors = [] if descriptor is None else [descriptor]
        try:
            socket.send_fds(connection, [encode_file_reply(reply)], descriptors)
        finally:
            for sent in descriptors:
                os.close(sent)

    def _read_request(self, data: bytes) -> tuple[FileAction, Task]:
        try:
            request = decode_file_request(data)
        except msgspec.DecodeError as error:
            raise _RefusedError(str(error)) from error
        task = self._tasks.get(request.number)
        if task is None:
            raise _RefusedError(f"task {request.number} is not part of its job")
        return request.action, task

    def _perform(self, action: FileAction, task: Task) -> tuple[FileReply, int | None]:
        if action == "open-source" and not isinstance(task, AbortTask):
            return FileReply(), self._open_source(task)
        if not isinstance(task, DownloadTask):
            raise _RefusedError(f"{action} of task {task.number}, which is not a download")
        with self._spool.open_folder(task.workload, task.path) as folder:
            return self._perform_download(action, task, folder)

    def _perform_download(
        self, action: FileAction, task: DownloadTask, folder: int
    ) -> tuple[FileReply, int | None]:
        partial = spool_name(task)
        if action == "open-partial":
            return FileReply(), _open_partial(folder, partial, task.size)
        if action == "place":
            root = self._volumes / task.workload
            stat = tree.move_into_place(partial, root, task.path, folder)
            return FileReply(stat=(stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode)), None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        return FileReply(), None

    def _open_source(self, task: Task) -> int:
        with tree.open_file(self._volumes / task.workload, task.path) as descriptor:
            return os.dup(descriptor)


def spool_name(task: DownloadTask) -> str:
    """Return the name of the partial file; another version of the object has another name."""
    identity = "\0".join((task.workload, task.path, task.key, task.etag, str(task.size)))
    return f"{hashlib.sha256(identity.encode()).hexdigest()}.part"


def _open_partial(folder: int, name: str, size: int) -> int:
    descriptor = open_partial(folder, name)
    try:
        check_room(descriptor, size - os.fstat(descriptor).st_size)
        os.fchmod(descriptor, 0o644)  # whatever the umask; nobody else enters the spool
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
