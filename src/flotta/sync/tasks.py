"""Tasks of the transferring child: made from a comparison, recorded when they are done."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from flotta.sync.comparison import Comparison
from flotta.sync.job import AbortTask, DownloadTask, Task, TaskOutcome, UploadTask
from flotta.sync.model import Direction, FileStat, SyncedPath
from flotta.sync.plan import LocalFile, PlannedDownload
from flotta.sync.state_db import FileRecord


@dataclass(frozen=True)
class PlannedTask:
    """A task of the child and what it was planned from."""

    task: Task
    source: LocalFile | PlannedDownload | FileRecord

    @property
    def direction(self) -> Direction:
        """The direction of the file; aborting an upload counts as up."""
        return "down" if isinstance(self.task, DownloadTask) else "up"

    @property
    def path(self) -> SyncedPath:
        """What failures are counted by."""
        return SyncedPath(self.task.workload, self.direction, self.task.path)


def fingerprint(source: LocalFile | PlannedDownload | FileRecord) -> Hashable:
    """Return what must differ for a failed path to be tried early."""
    if isinstance(source, LocalFile):
        return source.stat
    return source.remote if isinstance(source, PlannedDownload) else source.upload_id


def plan_tasks(comparisons: Iterable[Comparison]) -> list[PlannedTask]:
    """Return what the child has to do after these comparisons, numbered from 0."""
    planned: list[PlannedTask] = []
    for comparison in comparisons:
        workload = comparison.workload
        for file in comparison.send:
            record = comparison.sent.get((file.path, file.key))
            planned.append(PlannedTask(_upload_task(len(planned), workload, file, record), file))
        for download in comparison.fetch:
            task = _download_task(len(planned), workload, download)
            planned.append(PlannedTask(task, download))
        for record in comparison.aborts:
            upload_id = record.upload_id or ""
            abort = AbortTask(len(planned), workload, record.path, record.key, upload_id)
            planned.append(PlannedTask(abort, record))
    return planned


def _upload_task(
    number: int, workload: str, file: LocalFile, record: FileRecord | None
) -> UploadTask:
    return UploadTask(
        number=number,
        workload=workload,
        path=file.path,
        key=file.key,
        check=record is None or record.pending,
        digest=record.digest if record else None,
        upload_id=record.upload_id if record else None,
    )


def _download_task(number: int, workload: str, download: PlannedDownload) -> DownloadTask:
    remote = download.remote
    return DownloadTask(
        number, workload, download.path, remote.key, remote.etag, remote.size, remote.modified
    )


def make_record(item: PlannedTask, outcome: TaskOutcome) -> FileRecord:
    """Return what to remember of a file that is now equal on both sides."""
    stat = FileStat(*outcome.stat) if outcome.stat else None
    record = FileRecord(item.task.path, item.task.key, stat, outcome.digest, outcome.etag)
    if isinstance(item.source, PlannedDownload):
        remote = item.source.remote
        return dataclasses.replace(record, remote_size=remote.size, modified=remote.modified)
    return dataclasses.replace(record, remote_size=stat.size if stat else None)
