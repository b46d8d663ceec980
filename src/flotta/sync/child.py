"""The transferring process: `python -m flotta.sync.child`, a job on stdin, messages on stdout.

It lives only while there is something to transfer and dies with its parent. It speaks TLS, HTTP and
S3 with strangers, so it first gives up every right on the device; its two arguments are inherited
descriptors: the socket on which it gets files, and the lock of the spool.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from flotta.sync import linux, s3_client
from flotta.sync.confinement import confine
from flotta.sync.download import DamagedError, Downloader
from flotta.sync.file_client import TaskFiles
from flotta.sync.job import (
    AbortTask,
    Bucket,
    ChildMessage,
    DownloadTask,
    Job,
    RunAborted,
    Task,
    TaskOutcome,
    Unconfined,
    decode_job,
    encode_line,
)
from flotta.sync.s3_api import S3Client
from flotta.sync.upload import Uploader

WORKERS = 4  # threads, with one connection each
# After so many in a row the cause is not a single path.
MAX_FAILURES = 3  # tasks
NICENESS = 5  # nice(2); pods go first


class JobRun:
    """Works through one job; messages may come from several threads."""

    def __init__(self, job: Job, s3: S3Client, files: TaskFiles) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failures_in_a_row = 0
        self._uploader = Uploader(s3, job.bucket.name, files, self.write_message)
        self._downloader = Downloader(s3, job.bucket.name, files)

    def run(self) -> None:
        """Do every task, several at a time, until done or stopped by a fatal error."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for task in self._job.tasks:
                pool.submit(self._try_task, task)

    def write_message(self, message: ChildMessage | Unconfined) -> None:
        """Write one line to stdout at once."""
        line = encode_line(message)
        with self._lock:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def _try_task(self, task: Task) -> None:
        if self._stopped.is_set():
            return
        try:
            self.write_message(self._run_task(task))
            self._failures_in_a_row = 0
        except Exception as error:  # the outermost edge of one task: others continue
            self._report_failure(task, error)

    def _run_task(self, task: Task) -> TaskOutcome:
        if isinstance(task, AbortTask):
            self._uploader.abort_upload(task.key, task.upload_id)
            return TaskOutcome(task.number, "done")
        if isinstance(task, DownloadTask):
            return self._downloader.fetch_object(task)
        return self._uploader.send_file(task)

    def _report_failure(self, task: Task, error: Exception) -> None:
        aborted = s3_client.find_abort_reason(error, self._job.bucket)
        message = _describe_error(error, self._job.bucket)
        if aborted is None and (kind := _classify_error(error)):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= MAX_FAILURES:
                aborted = RunAborted(message, kind)
        self.write_message(TaskOutcome(task.number, "failed", message=message))
        if aborted is not None and not self._stopped.is_set():
            self._stopped.set()
            self.write_message(aborted)


def _classify_error(error: Exception) -> Literal["network", "refused"] | None:
    """Return the kind of an error that may concern the whole storage or just one path."""
    if isinstance(error, s3_client.NETWORK_ERRORS):
        return "network"
    return "refused" if s3_client.error_code(error) in s3_client.DENIED else None


def _describe_error(error: Exception, bucket: Bucket) -> str:
    if isinstance(error, DamagedError):
        return str(error)
    return s3_client.describe_error(error, bucket)


def _die_with_parent(parent: int) -> None:
    linux.die_with_parent()
    if os.getppid() != parent:
        raise SystemExit(1)


def main() -> None:
    """Give up rights, read the job, do it, exit."""
    connection, lock = (int(argument) for argument in sys.argv[1:])
    os.nice(NICENESS)
    problems = confine()
    job = decode_job(sys.stdin.buffer.read())
    _die_with_parent(job.parent)
    fcntl.flock(lock, fcntl.LOCK_EX)  # waits for a child that an earlier parent has left
    with (
        socket.socket(fileno=connection) as files,
        s3_client.open_client(job.bucket, WORKERS) as s3,
    ):
        run = JobRun(job, s3, TaskFiles(files))
        if problems:
            run.write_message(Unconfined(problems))
        run.run()


if __name__ == "__main__":
    main()
