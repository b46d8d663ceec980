"""Fetch one object: into the spool, verified, durable, then visible by one rename."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING, Any

from flotta.sync import checksum, tree
from flotta.sync.bucket import is_missing
from flotta.sync.job import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from flotta.sync.job import Download
    from flotta.sync.model import FileStat

_BLOCK = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PARTIAL = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class ChangedError(Exception):
    """The object is not the listed one any more; the next listing tells what it is."""


class DamagedError(Exception):
    """The bytes that arrived are not the object's; the text says how."""


class Downloader:
    """Fetches objects of one bucket into export directories."""

    def __init__(self, s3: Any, bucket: str, spool: Path) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._spool = spool

    def fetch(self, task: Download, root: Path) -> Outcome:
        """Fetch the object and say how that ended; S3 and file errors are raised."""
        if present := _present(task, root):
            return _outcome(task, "equal", *present)
        try:
            partial, digest = self._receive(task)
        except ChangedError:
            return Outcome(task.number, "changing")
        except Exception as error:
            if is_missing(error):
                return Outcome(task.number, "gone")
            raise
        return _outcome(task, "done", tree.place(partial, root, task.path), digest)

    def _receive(self, task: Download) -> tuple[Path, str]:
        partial = self._spool / spool_name(task)
        descriptor = os.open(partial, _PARTIAL, 0o600)
        try:
            digest = self._fill(descriptor, task)
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        except Exception as error:
            # What a broken connection leaves is kept to go on with; damage and a full disk are not.
            if isinstance(error, DamagedError) or getattr(error, "errno", None) in _FULL:
                partial.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return partial, digest

    def _fill(self, descriptor: int, task: Download) -> str:
        offset = _usable(descriptor, task)
        os.ftruncate(descriptor, offset)
        digest = checksum.md5(descriptor, length=offset)
        if offset < task.size or not task.size:
            self._append(descriptor, task, offset, digest)
        found = os.fstat(descriptor).st_size
        if found != task.size:
            raise DamagedError(f"{found} of {task.size} bytes arrived")
        if checksum.is_plain(task.etag) and digest.hexdigest() != task.etag:
            raise DamagedError("the bytes that arrived do not match the object's checksum")
        return digest.hexdigest()

    def _append(self, descriptor: int, task: Download, offset: int, digest: hashlib._Hash) -> None:
        wanted: dict[str, Any] = {"Range": f"bytes={offset}-"} if offset else {}
        answer = self._s3.get_object(Bucket=self._bucket, Key=task.key, **wanted)
        body = answer["Body"]
        try:
            if str(answer["ETag"]).strip('"') != task.etag:
                raise ChangedError
            if answer["ContentLength"] != task.size - offset:
                raise ChangedError
            while data := body.read(_BLOCK):
                digest.update(data)
                _write(descriptor, data, offset)
                offset += len(data)
        finally:
            body.close()


def spool_name(task: Download) -> str:
    """Return the name of the partial file; another version of the object has another name."""
    identity = "\0".join((task.workload, task.path, task.key, task.etag, str(task.size)))
    return f"{hashlib.sha256(identity.encode()).hexdigest()}.part"


def _usable(descriptor: int, task: Download) -> int:
    """Return how much of a partial file can be kept: only what a checksum will verify at the end."""
    size = os.fstat(descriptor).st_size
    return size if checksum.is_plain(task.etag) and size <= task.size else 0


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _present(task: Download, root: Path) -> tuple[FileStat, str] | None:
    """Return stat and MD5 of the file on the device if it already is the object."""
    try:
        with tree.open_file(root, task.path) as descriptor:
            before = tree.file_stat(os.fstat(descriptor))
            if before.size != task.size:
                return None
            digest = checksum.md5(descriptor).hexdigest()
            if not checksum.matches(descriptor, before.size, task.etag, digest):
                return None
            return before, digest
    except OSError:
        return None


def _outcome(task: Download, result: Any, stat: FileStat, digest: str) -> Outcome:
    seen = (stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode)
    return Outcome(task.number, result, stat=seen, digest=digest, etag=task.etag)
