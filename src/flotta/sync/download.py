"""Fetch one object: into the spool, verified, durable, then visible by one rename.

Rules: docs/reference/device.md#transfers.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os

from botocore.exceptions import ClientError

from flotta.disk_reserve import check_room
from flotta.sync import checksum, tree
from flotta.sync.file_client import TaskFiles
from flotta.sync.job import DownloadTask, TaskOutcome, transfer_outcome
from flotta.sync.model import FileStat
from flotta.sync.s3_api import S3Client
from flotta.sync.s3_client import is_missing

BLOCK = 256 * 1024  # bytes read from the connection at once
ROOM_CHECK = 32  # blocks between two looks at the free space, which others use as well
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ChangedError(Exception):
    """The object is no longer the listed one; the next listing shows the new one."""


class DamagedError(Exception):
    """The bytes that arrived are not the object's; the text says how."""


class Downloader:
    """Fetches objects of one bucket into export directories."""

    def __init__(self, s3: S3Client, bucket: str, files: TaskFiles) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._files = files

    def fetch_object(self, task: DownloadTask) -> TaskOutcome:
        """Fetch the object and say how that ended; S3 and file errors are raised."""
        if present := self._find_present(task):
            return transfer_outcome(task, "equal", *present, task.etag)
        try:
            digest = self._receive_object(task)
        except ChangedError:
            return TaskOutcome(task.number, "changing")
        except ClientError as error:
            if is_missing(error):
                return TaskOutcome(task.number, "gone")
            raise
        return transfer_outcome(task, "done", self._files.place(task), digest, task.etag)

    def _find_present(self, task: DownloadTask) -> tuple[FileStat, str] | None:
        """Return stat and MD5 of the file on the device if it already is the object."""
        try:
            with self._files.open_source(task) as descriptor:
                before = tree.file_stat(os.fstat(descriptor))
                if before.size != task.size:
                    return None
                digest = checksum.md5(descriptor).hexdigest()
                if not checksum.matches_etag(descriptor, before.size, task.etag, digest):
                    return None
                return before, digest
        except OSError:
            return None

    def _receive_object(self, task: DownloadTask) -> str:
        try:
            with self._files.open_partial(task) as descriptor:
                digest = self._fill_file(descriptor, task)
                os.fsync(descriptor)
                return digest
        except (DamagedError, OSError) as error:
            # The partial file of a broken connection is kept to resume; a damaged one is not, nor
            # one on a full disk.
            if isinstance(error, DamagedError) or error.errno in FULL:
                self._files.discard(task)
            raise

    def _fill_file(self, descriptor: int, task: DownloadTask) -> str:
        offset = _usable_bytes(descriptor, task)
        os.ftruncate(descriptor, offset)
        check_room(descriptor, task.size - offset)
        digest = checksum.md5(descriptor, length=offset)
        if offset < task.size or not task.size:
            self._append_rest(descriptor, task, offset, digest)
        found = os.fstat(descriptor).st_size
        if found != task.size:
            raise DamagedError(f"{found} of {task.size} bytes arrived")
        if checksum.is_plain_md5(task.etag) and digest.hexdigest() != task.etag:
            raise DamagedError("the bytes that arrived do not match the object's checksum")
        return digest.hexdigest()

    def _append_rest(
        self, descriptor: int, task: DownloadTask, offset: int, digest: hashlib._Hash
    ) -> None:
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        response = self._s3.get_object(Bucket=self._bucket, Key=task.key, **wanted)
        body = response["Body"]
        try:
            if str(response["ETag"]).strip('"') != task.etag:
                raise ChangedError
            if response["ContentLength"] != task.size - offset:
                raise ChangedError
            for number in itertools.count(1):
                data = body.read(BLOCK)
                if not data:
                    break
                digest.update(data)
                _write_all(descriptor, data, offset)
                offset += len(data)
                if number % ROOM_CHECK == 0:
                    check_room(descriptor)
        finally:
            body.close()


def _usable_bytes(descriptor: int, task: DownloadTask) -> int:
    """Return how many bytes of a partial file to keep: those a checksum verifies at the end."""
    size = os.fstat(descriptor).st_size
    return size if checksum.is_plain_md5(task.etag) and size <= task.size else 0


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
