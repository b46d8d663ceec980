"""The transferring process: `python -m flotta.sync.child`, a job on stdin, messages on stdout.

It lives only while there is something to transfer and dies with its parent.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from flotta.sync import s3_client
from flotta.sync.download import DamagedError, Downloader
from flotta.sync.job import (
    AbortTask,
    Bucket,
    ChildMessage,
    DownloadTask,
    Job,
    RunAborted,
    Task,
    TaskOutcome,
    decode_job,
    encode_line,
)
from flotta.sync.s3_api import S3Client
from flotta.sync.upload import Uploader

WORKERS = 4  # threads, with one connection each
# After so many in a row the cause is not a single path.
MAX_FAILURES = 3  # tasks
PR_SET_PDEATHSIG = 1  # prctl(2)
NICENESS = 5  # nice(2); pods go first


class JobRun:
    """Works through one job; messages may come from several threads."""

    def __init__(self, job: Job, s3: S3Client) -> None:
        self._job = job
        self._volumes = Path(job.volumes)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failures_in_a_row = 0
        self._uploader = Uploader(s3, job.bucket.name, self.write_message)
        self._downloader = Downloader(s3, job.bucket.name, Path(job.spool))

    def run(self) -> None:
        """Do every task, several at a time, until done or stopped by a fatal error."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for task in self._job.tasks:
                pool.submit(self._try_task, task)

    def write_message(self, message: ChildMessage) -> None:
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
        root = self._volumes / task.workload
        if isinstance(task, AbortTask):
            self._uploader.abort_upload(task.key, task.upload_id)
            return TaskOutcome(task.number, "done")
        if isinstance(task, DownloadTask):
            return self._downloader.fetch_object(task, root)
        return self._uploader.send_file(task, root)

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
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


@contextmanager
def _locked(spool: Path) -> Iterator[None]:
    """Hold the lock of the spool; waits for a child that an earlier parent has left."""
    descriptor = os.open(spool / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    """Read the job, do it, exit."""
    job = decode_job(sys.stdin.buffer.read())
    _die_with_parent(job.parent)
    os.umask(0o022)
    os.nice(NICENESS)
    spool = Path(job.spool)
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(spool), s3_client.open_client(job.bucket, WORKERS, spool) as s3:
        JobRun(job, s3).run()


if __name__ == "__main__":
    main()
