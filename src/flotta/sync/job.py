"""The messages between the resident process and the transferring child.

One job as JSON on the child's stdin, so that credentials are neither in its arguments nor in its
environment; one JSON line on its stdout for every message.
"""

from __future__ import annotations

from typing import Literal

import msgspec

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
    volumes: str
    spool: str
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


ChildMessage = TaskOutcome | UploadStarted | RunAborted

ENCODER = msgspec.json.Encoder()
MESSAGES: msgspec.json.Decoder[ChildMessage] = msgspec.json.Decoder(ChildMessage)
JOBS = msgspec.json.Decoder(Job)


def encode_line(message: Job | ChildMessage) -> bytes:
    """Return one line of JSON."""
    return ENCODER.encode(message) + b"\n"


def decode_job(data: bytes) -> Job:
    """Read the child's stdin."""
    return JOBS.decode(data)


def decode_message(line: bytes) -> ChildMessage:
    """Read one line of the child's stdout."""
    return MESSAGES.decode(line)
