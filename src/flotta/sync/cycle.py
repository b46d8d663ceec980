"""One cycle: compare both sides, leave out files that still change, transfer, record.

Rules: docs/reference/device.md#cycles, docs/reference/device.md#transfers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.sync import TRANSFER_FAILED
from flotta.sync.comparison import Comparer, Comparison
from flotta.sync.failures import Failures
from flotta.sync.job import ChildMessage, RunAborted, TaskOutcome, UploadStarted
from flotta.sync.listing import ListingClient
from flotta.sync.model import Direction, S3Storage, SyncedPath, SyncWorkload
from flotta.sync.plan import LocalFile, PlannedDownload
from flotta.sync.state_db import FileRecord, StateDatabase
from flotta.sync.tasks import PlannedTask, fingerprint, make_record, plan_tasks
from flotta.sync.transfer import Transfer

log = logging.getLogger(__name__)
# A pod or a bucket may have any number of files: each kind of line about one is limited.
file_log = LimitedLog(log, lines=60, interval=60.0)
failure_log = LimitedLog(log, lines=60, interval=60.0)
MAX_REASON = 1000  # characters of the reason of a failure
BATCH = 1000  # tasks of one run of the child
# A file that changes at every look is sent as it is after so many cycles; reading it is checked.
MAX_DEFERRALS = 2  # cycles
MAX_COUNTED = 10_000  # files of which changes are counted
MAX_PLANNED = 100_000  # transfers of one cycle
MAX_CHANGES = 4  # cycles in which a file may change while it is read before that is a failure


@dataclass
class CycleReport:
    """What a cycle did. `stopped` is the sentence if the storage as a whole failed."""

    stopped: str | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    still_changing: int = 0  # files that were left out
    transferred: int = 0  # files


class Cycle:
    """Runs cycles, one at a time; remembers across them which files keep changing."""

    def __init__(
        self,
        comparer: Comparer,
        database: StateDatabase,
        transfer: Transfer,
        failures: Failures,
    ) -> None:
        self._comparer = comparer
        self._database = database
        self._transfer = transfer
        self._failures = failures
        self._changes: dict[tuple[str, str], int] = {}  # by workload and path
        self._interrupted = False
        self.removed_workloads: set[str] = set()

    def interrupt_transfers(self) -> None:
        """End a running cycle soon; what is left is done by the next."""
        self._interrupted = True
        self._transfer.kill_child()

    async def run(
        self,
        storage: S3Storage,
        workloads: Sequence[SyncWorkload],
        listing: ListingClient | None,
        quiet_period: float,
    ) -> CycleReport:
        """Do one cycle with this configuration; without `listing` only egress.

        `quiet_period` is the time in seconds in which a file must not have changed to be sent.
        """
        self.removed_workloads.clear()
        self._interrupted = False
        report = CycleReport()
        report.comparisons = await asyncio.to_thread(self._compare_sides, workloads, listing)
        unreachable = (known for known in report.comparisons if known.unreachable)
        report.stopped = next((known.problem for known in unreachable), None)
        if any(comparison.bucket_gone for comparison in report.comparisons):
            self._forget_bucket_content()
        if report.stopped:
            return report
        self._leave_out_waiting(report.comparisons)
        if quiet_period:
            report.still_changing = await self._leave_out_changing(report.comparisons, quiet_period)
        await self._transfer_all(storage, plan_tasks(report.comparisons), report)
        return report

    def _forget_bucket_content(self) -> None:
        self._database.delete_upload_records()
        self._comparer.require_full_comparison()

    def _compare_sides(
        self, workloads: Sequence[SyncWorkload], listing: ListingClient | None
    ) -> list[Comparison]:
        comparisons: list[Comparison] = []
        for workload in workloads:
            unreadable = self._comparer.find_unreadable(workload)
            if unreadable is not None:
                comparisons.append(unreadable)
                continue
            planned = sum(len(known.send) + len(known.fetch) for known in comparisons)
            comparison = self._comparer.compare_egress(workload, MAX_PLANNED - planned)
            comparisons.append(comparison)
            # After one failed listing the others would only wait for the same timeout again.
            if listing is not None and not any(known.unreachable for known in comparisons):
                self._comparer.compare_ingress(workload, listing, comparison)
            comparison.forget_unneeded()
        return comparisons

    def _leave_out_waiting(self, comparisons: Iterable[Comparison]) -> None:
        """Leave out paths that failed recently."""
        for comparison in comparisons:
            name, send, fetch = comparison.workload, comparison.send, comparison.fetch
            self._failures.retain_paths(name, "up", {file.path for file in send})
            self._failures.retain_paths(name, "down", {download.path for download in fetch})
            comparison.send = [file for file in send if self._is_due(name, "up", file)]
            comparison.fetch = [
                download for download in fetch if self._is_due(name, "down", download)
            ]

    def _is_due(
        self, workload: str, direction: Direction, source: LocalFile | PlannedDownload
    ) -> bool:
        path = SyncedPath(workload, direction, source.path)
        return self._failures.is_due(path, fingerprint(source))

    async def _leave_out_changing(self, comparisons: list[Comparison], quiet_period: float) -> int:
        """Leave out files that change within the period; return how many."""
        if not any(comparison.send for comparison in comparisons):
            return 0
        await asyncio.sleep(quiet_period)
        return await asyncio.to_thread(self._keep_unchanged, comparisons)

    def _keep_unchanged(self, comparisons: Iterable[Comparison]) -> int:
        left_out = 0
        for comparison in comparisons:
            kept = []
            for before in comparison.send:
                now = self._comparer.read_again(comparison.workload, before)
                if now is not None and self._may_be_sent(comparison.workload, before, now):
                    kept.append(now)
                else:
                    left_out += 1
            comparison.send = kept
        return left_out

    def _may_be_sent(self, workload: str, before: LocalFile, now: LocalFile) -> bool:
        if before.stat == now.stat:
            return True
        return self._count_change(workload, now.path) > MAX_DEFERRALS

    def _count_change(self, workload: str, path: str) -> int:
        if len(self._changes) >= MAX_COUNTED:  # of files that have long been removed
            self._changes.clear()
        count = self._changes.get((workload, path), 0) + 1
        self._changes[workload, path] = count
        return count

    async def _transfer_all(
        self, storage: S3Storage, planned: list[PlannedTask], report: CycleReport
    ) -> None:
        for start in range(0, len(planned), BATCH):
            batch = planned[start : start + BATCH]
            wanted = [item for item in batch if item.task.workload not in self.removed_workloads]
            if wanted and report.stopped is None and not self._interrupted:
                await self._transfer_batch(storage, wanted, report)

    async def _transfer_batch(
        self, storage: S3Storage, planned: list[PlannedTask], report: CycleReport
    ) -> None:
        by_number = {item.task.number: item for item in planned}
        await asyncio.to_thread(self._mark_pending, planned)
        tasks = [item.task for item in planned]
        async with aclosing(self._transfer.run(storage, tasks)) as batches:
            async for messages in batches:
                await asyncio.to_thread(self._apply_messages, messages, by_number, report)

    def _mark_pending(self, planned: list[PlannedTask]) -> None:
        for workload in {item.task.workload for item in planned}:
            sending = [
                FileRecord(item.task.path, item.task.key)
                for item in planned
                if item.task.workload == workload and isinstance(item.source, LocalFile)
            ]
            self._database.mark_pending(workload, "up", sending)

    def _apply_messages(
        self, messages: list[ChildMessage], planned: dict[int, PlannedTask], report: CycleReport
    ) -> None:
        finished: dict[tuple[str, Direction], list[tuple[PlannedTask, TaskOutcome]]] = {}
        for message in messages:
            if isinstance(message, RunAborted):
                report.stopped = message.message
                if message.kind == "bucket":
                    self._forget_bucket_content()
                continue
            item = planned[message.number]
            task = item.task
            if task.workload in self.removed_workloads:
                continue
            if isinstance(message, UploadStarted):
                self._database.save_upload_id(task.workload, task.path, task.key, message.upload_id)
            elif self._check_success(item, message):
                finished.setdefault((task.workload, item.direction), []).append((item, message))
        for (workload, direction), outcomes in finished.items():
            self._record_transfers(workload, direction, outcomes)
            report.transferred += len(outcomes)

    def _check_success(self, item: PlannedTask, outcome: TaskOutcome) -> bool:
        if outcome.result in ("done", "equal", "unchanged"):
            self._failures.record_success(item.path)
            self._changes.pop((item.task.workload, item.task.path), None)
            return True
        if outcome.result == "failed":
            self._record_failure(item, outcome.message or "failed")
        elif outcome.result == "changing" and item.direction == "up":
            self._record_change_while_read(item)
        return False

    def _record_change_while_read(self, item: PlannedTask) -> None:
        if self._count_change(item.task.workload, item.task.path) > MAX_CHANGES:
            self._record_failure(item, "keeps changing while it is read")

    def _record_failure(self, item: PlannedTask, message: str) -> None:
        task = item.task
        failure_log.log(
            logging.WARNING,
            "%s of %s/%s failed: %s [%s]",
            item.direction,
            task.workload,
            task.path,
            message[:MAX_REASON],
            TRANSFER_FAILED,
        )
        self._failures.record_failure(item.path, fingerprint(item.source), message)

    def _record_transfers(
        self, workload: str, direction: Direction, outcomes: list[tuple[PlannedTask, TaskOutcome]]
    ) -> None:
        aborted = [item.source for item, _ in outcomes if isinstance(item.source, FileRecord)]
        transfers = [
            (item, outcome) for item, outcome in outcomes if not isinstance(item.source, FileRecord)
        ]
        records = [make_record(item, outcome) for item, outcome in transfers]
        moved = sum(outcome.result != "unchanged" for _, outcome in transfers)
        self._database.delete_records(workload, direction, aborted)
        self._database.save_records(workload, direction, records, moved)
        for item, outcome in outcomes:
            path = item.task.path
            file_log.log(logging.INFO, "%s %s/%s: %s", direction, workload, path, outcome.result)
