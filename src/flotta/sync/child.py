"""The transferring process: `python -m flotta.sync.child`, a job on stdin, outcomes on stdout.

It lives only while there is something to transfer and dies with its parent.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flotta.sync import bucket
from flotta.sync.download import DamagedError, Downloader
from flotta.sync.job import Abort, Answer, Download, Fatal, Job, Outcome, Task, decode_job, encode
from flotta.sync.upload import Uploader

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORKERS = 4
# So many in a row are not the fault of single paths any more.
_FAILURES = 3
_PR_SET_PDEATHSIG = 1


class Run:
    """Works through one job; answers may come from several threads."""

    def __init__(self, job: Job, s3: Any) -> None:
        self._job = job
        self._volumes = Path(job.volumes)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failures_in_a_row = 0
        self._uploader = Uploader(s3, job.bucket.name, self.answer)
        self._downloader = Downloader(s3, job.bucket.name, Path(job.spool))

    def run(self) -> None:
        """Do every task, several at a time, until done or stopped by a fatal error."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            for task in self._job.tasks:
                pool.submit(self._guarded, task)

    def answer(self, answer: Answer) -> None:
        """Write one line to stdout at once."""
        line = encode(answer)
        with self._lock:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def _guarded(self, task: Task) -> None:
        if self._stopped.is_set():
            return
        try:
            self.answer(self._do(task))
            self._failures_in_a_row = 0
        except Exception as error:  # the outermost edge of one task: others go on
            self._failed(task, error)

    def _do(self, task: Task) -> Outcome:
        root = self._volumes / task.workload
        if isinstance(task, Abort):
            self._uploader.abort(task.key, task.upload_id)
            return Outcome(task.number, "done")
        if isinstance(task, Download):
            return self._downloader.fetch(task, root)
        return self._uploader.send(task, root)

    def _failed(self, task: Task, error: Exception) -> None:
        fatal = bucket.fatal(error, self._job.bucket)
        message = _sentence(error, self._job.bucket)
        if fatal is None and (kind := _kind(error)):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _FAILURES:
                fatal = Fatal(message, kind)
        self.answer(Outcome(task.number, "failed", message=message))
        if fatal is not None and not self._stopped.is_set():
            self._stopped.set()
            self.answer(fatal)


def _kind(error: Exception) -> Literal["network", "refused"] | None:
    """Return what an error might be of the whole storage, though one path can cause it too."""
    if isinstance(error, bucket.NETWORK_ERRORS):
        return "network"
    return "refused" if bucket.error_code(error) in bucket.DENIED else None


def _sentence(error: Exception, of: Any) -> str:
    return str(error) if isinstance(error, DamagedError) else bucket.sentence(error, of)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def _locked(spool: Path) -> Iterator[int]:
    """Hold the lock of the spool; waits for a child that an earlier parent left behind."""
    descriptor = os.open(spool / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor


def main() -> None:
    """Read the job, do it, exit."""
    job = decode_job(sys.stdin.buffer.read())
    _die_with(job.parent)
    os.umask(0o022)
    os.nice(5)
    spool = Path(job.spool)
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in _locked(spool):
        with bucket.client(job.bucket, _WORKERS, spool) as s3:
            Run(job, s3).run()


if __name__ == "__main__":
    main()
