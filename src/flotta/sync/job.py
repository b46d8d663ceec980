"""The messages between the resident process and the transferring child.

One job as JSON on the child's stdin, so that credentials are neither in its arguments nor in its
environment; one JSON line on its stdout for every message. On a Unix socket that it inherits, the
child asks for the files of its tasks: one packet of JSON for a request, one for the reply, with
which a descriptor may come.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from flotta.protocol.json_text import decode_json
from flotta.sync.model import FileStat


class UploadTask(msgspec.Struct, tag="upload", frozen=True):
    """The upload of one file. `check`: ask first whether the bucket already has equal bytes."""

    number: int
    workload: str
    path: str
    key: str
    check: bool
    digest: str | None = None
    upload_id: str | None = None


class DownloadTask(msgspec.Struct, tag="download", frozen=True):
    """The download of one object as it was listed."""

    number: int
    workload: str
    path: str
    key: str
    etag: str
    size: int
    modified: str


class AbortTask(msgspec.Struct, tag="abort", frozen=True):
    """The end of a multipart upload whose file was removed."""

    number: int
    workload: str
    path: str
    key: str
    upload_id: str


Task = UploadTask | DownloadTask | AbortTask


class Bucket(msgspec.Struct, frozen=True):
    """The storage of this run."""

    endpoint: str
    region: str
    name: str
    access_key: str
    secret_key: str
    ca_pem: str | None


class Job(msgspec.Struct, frozen=True):
    """Everything one run of the child needs."""

    bucket: Bucket
    tasks: list[Task]
    parent: int


TaskResult = Literal["done", "equal", "unchanged", "changing", "gone", "failed"]


class TaskOutcome(msgspec.Struct, tag="outcome", frozen=True, omit_defaults=True):
    """How one task ended.

    done: transferred; equal: the other side already had these bytes; unchanged: only the stat of
    the file had changed; changing: the source changed while it was read; gone: the source vanished;
    failed: `message` says why.
    """

    number: int
    result: TaskResult
    stat: tuple[int, int, int, int] | None = None
    digest: str | None = None
    etag: str | None = None
    message: str | None = None


def transfer_outcome(
    task: UploadTask | DownloadTask,
    result: TaskResult,
    stat: FileStat,
    digest: str,
    etag: str | None,
) -> TaskOutcome:
    """Return the outcome of a task after which both sides are equal; `digest` is the file's MD5."""
    seen = (stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode)
    return TaskOutcome(task.number, result, stat=seen, digest=digest, etag=etag)


class UploadStarted(msgspec.Struct, tag="started", frozen=True):
    """A multipart upload was created and must be remembered before its parts are sent."""

    number: int
    upload_id: str


class RunAborted(msgspec.Struct, tag="fatal", frozen=True):
    """The run ended early because of something that concerns every task."""

    message: str
    kind: Literal["network", "refused", "bucket"]


class Unconfined(msgspec.Struct, tag="unconfined", frozen=True):
    """The child kept rights that it should not have; each problem is a clause about transfers."""

    problems: list[str]


ChildMessage = TaskOutcome | UploadStarted | RunAborted

# open-source: the file in the export directory, to read; open-partial: the file that a download
# fills, to read and write; place: the finished one becomes the file in the export directory;
# discard: it is removed.
FileAction = Literal["open-source", "open-partial", "place", "discard"]


class FileRequest(msgspec.Struct, frozen=True):
    """What the child wants of the file of a task; paths are never part of it."""

    number: int
    action: FileAction


class FileReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer: an errno(3) with its text, the stat of a placed file, or a descriptor beside."""

    errno: int | None = None
    message: str | None = None
    stat: tuple[int, int, int, int] | None = None


MESSAGE_LIMIT = 4096  # bytes of a request for a file, and of its reply
ENCODER = msgspec.json.Encoder()
CHILD_MESSAGES: Any = ChildMessage | Unconfined


def encode_line(message: Job | ChildMessage | Unconfined) -> bytes:
    """Return one line of JSON."""
    return ENCODER.encode(message) + b"\n"


def decode_job(data: bytes) -> Job:
    """Read the child's stdin."""
    return decode_json(data, Job)


def decode_message(line: bytes) -> ChildMessage | Unconfined:
    """Read one line of the child's stdout; raises msgspec.DecodeError."""
    message: ChildMessage | Unconfined = decode_json(line, CHILD_MESSAGES)
    return message


def encode_file_request(request: FileRequest) -> bytes:
    """Return one packet for the worker."""
    return ENCODER.encode(request)


def decode_file_request(data: bytes) -> FileRequest:
    """Read a packet of the child, which is not trusted; raises msgspec.DecodeError."""
    return decode_json(data, FileRequest)


def encode_file_reply(reply: FileReply) -> bytes:
    """Return one packet for the child."""
    return ENCODER.encode(reply)


def decode_file_reply(data: bytes) -> FileReply:
    """Read a packet of the worker."""
    return decode_json(data, FileReply)
