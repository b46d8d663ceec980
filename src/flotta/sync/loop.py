"""The resident part: a cycle every few seconds, configuration, final uploads, status.

Rules and numbers: docs/reference/device.md#cycles, docs/reference/device.md#errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from flotta.backoff import Backoff
from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.sync import (
    ENTRY_SKIPPED,
    SYNC_FAILED,
    TOO_MANY_FILES,
    TRANSFER_FAILED,
    TRANSFER_UNFINISHED,
)
from flotta.sync.comparison import (
    TOO_MANY,
    Comparer,
    Comparison,
    FindAbsent,
    nothing_absent,
)
from flotta.sync.cycle import Cycle, CycleReport
from flotta.sync.failures import Failures
from flotta.sync.listing import ListingClient
from flotta.sync.model import DataPath, S3Storage, SyncError, SyncStatus, SyncWorkload
from flotta.sync.spool import Spool
from flotta.sync.state_connection import Problem
from flotta.sync.state_db import StateDatabase
from flotta.sync.transfer import Transfer

__all__ = ["DataPath", "S3Storage", "SyncError", "SyncLoop", "SyncStatus", "SyncWorkload"]

log = logging.getLogger(__name__)
skipped_log = LimitedLog(log, lines=60, interval=60.0)
QUIET_PERIOD = 1.0  # seconds in which a file must not have changed to be sent
MAX_ITEM = 300  # characters of a path with its reason
SHOWN = 3  # paths that an error names
STOP_TIMEOUT = 10.0  # seconds for a cycle to end before everything is removed
STORAGE_RETRY = 2.0, 300.0  # seconds: the first delay, the longest


class SyncLoop:
    """Keeps export directories and a bucket in step.

    `state_dir` holds the state database, `volumes_dir` one export directory for each workload; the
    spool of downloads lies beside it. `find_absent` says of a workload which of its file systems is
    not mounted: it is left alone then. `interval` is in seconds, and so is
    `quiet_period`, in which a file must not have changed to be sent.
    """

    def __init__(
        self,
        state_dir: Path,
        volumes_dir: Path,
        interval: float = 15.0,
        *,
        quiet_period: float = QUIET_PERIOD,
        find_absent: FindAbsent = nothing_absent,
    ) -> None:
        self._interval = interval
        self._quiet_period = quiet_period
        spool = volumes_dir.parent / "spool"
        self._spool = Spool(volumes_dir, spool)
        self._database = StateDatabase(state_dir / "sync.db")
        self._transfer = Transfer(volumes_dir, spool)
        self._failures = Failures(interval)
        self._comparer = Comparer(volumes_dir, self._database, find_absent)
        self._cycle = Cycle(self._comparer, self._database, self._transfer, self._failures)
        self._backoff = Backoff(*STORAGE_RETRY)
        self._busy = asyncio.Lock()
        self._wake = asyncio.Event()
        self._storage: S3Storage | None = None
        self._workloads: tuple[SyncWorkload, ...] = ()
        self._listing: ListingClient | None = None
        self._counters = self._database.load_statuses()
        self._errors: dict[str, str] = {}
        self._reported: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Run cycles until cancelled."""
        try:
            while True:
                self._wake.clear()
                await self._wait_until_woken(await self._try_cycle())
        finally:
            self._transfer.kill_child()
            self._close_listing()

    async def _wait_until_woken(self, seconds: float) -> None:
        """Wait for a new configuration, at most for `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def configure(self, storage: S3Storage | None, workloads: Sequence[SyncWorkload]) -> None:
        """Set what the next cycle synchronises; a running one finishes with what it began with."""
        wanted = tuple(workloads)
        if (storage, wanted) == (self._storage, self._workloads):
            return
        if storage is not None and storage != self._storage:
            self._database.switch_bucket(_identify_bucket(storage))
            self._failures.clear()
            self._comparer.require_full_comparison()
        self._storage, self._workloads = storage, wanted
        names = {workload.name for workload in wanted}
        self._errors = {name: error for name, error in self._errors.items() if name in names}
        self._backoff.reset()
        self._wake.set()

    async def flush(self, workload: str, timeout: float) -> bool:  # noqa: ASYNC109
        """Send what a workload still has to send, within `timeout` seconds; return whether all was.

        A running transfer is interrupted for it and resumed by the next cycle.
        """
        storage = self._storage
        chosen = next((known for known in self._workloads if known.name == workload), None)
        if storage is None or chosen is None:
            return True
        try:
            async with asyncio.timeout(timeout):
                self._cycle.interrupt_transfers()
                async with self._busy:
                    return await self._final_upload(storage, chosen)
        except TimeoutError:
            log.warning(
                "The final upload of %s was not finished in %s s [%s]",
                workload,
                timeout,
                TRANSFER_UNFINISHED,
            )
            return False

    async def _final_upload(self, storage: S3Storage, workload: SyncWorkload) -> bool:
        self._failures.clear(workload.name)
        self._comparer.require_full_comparison(workload.name)
        report = await self._cycle.run(storage, [workload], None, quiet_period=0.0)
        self._record_report(report)
        unsent = any(comparison.problem for comparison in report.comparisons)
        return not (report.stopped or unsent or self._failures.messages(workload.name))

    @property
    def problem(self) -> Problem | None:
        """Why what was synchronised is not kept on disk, None when it is."""
        return self._database.problem

    def status(self, workload: str) -> SyncStatus:
        """Return counters, time of the last upload and the current error of a workload."""
        known = self._counters.get(workload, SyncStatus())
        return dataclasses.replace(known, error=self._errors.get(workload))

    def forget_workload(self, workload: str) -> None:
        """Forget a workload that was removed; its transfers that still run are not recorded."""
        self._cycle.removed_workloads.add(workload)
        # The child must not write into a directory that is being removed.
        self._cycle.interrupt_transfers()
        self._workloads = tuple(known for known in self._workloads if known.name != workload)
        self._failures.clear(workload)
        self._database.delete_workload(workload)
        self._comparer.require_full_comparison(workload)
        self._counters.pop(workload, None)
        self._errors.pop(workload, None)

    async def halt(self) -> None:
        """Stop what runs and begin nothing more: the device is being decommissioned."""
        self._cycle.removed_workloads.update(known.name for known in self._workloads)
        self._storage, self._workloads = None, ()
        self._cycle.interrupt_transfers()
        with contextlib.suppress(TimeoutError):  # the child is dead, a listing may still wait
            async with asyncio.timeout(STOP_TIMEOUT), self._busy:
                pass
        self._close_listing()

    async def wipe(self) -> None:
        """Halt and forget everything.

        Raises SyncError or OSError when something is left on disk.
        """
        await self.halt()
        self._counters.clear()
        self._errors.clear()
        self._failures.clear()
        self._comparer.require_full_comparison()
        left = await asyncio.to_thread(self._spool.wipe)
        self._database.wipe()
        if left:
            raise SyncError("; ".join(map(str, left)))

    async def _try_cycle(self) -> float:
        """Run one cycle; returns the seconds until the next."""
        try:
            async with self._busy:
                await asyncio.to_thread(self._database.heal)
                report = await self._run_cycle()
        except Exception as error:  # the outermost loop: logged, reported, tried again
            log.exception("The synchronisation failed [%s]", SYNC_FAILED)
            report = CycleReport(
                stopped=with_code(f"The synchronisation failed: {error}.", SYNC_FAILED)
            )
            self._set_errors(report)
        if report.stopped is None:
            self._backoff.reset()
            return self._interval
        delay = self._backoff.next()
        log.warning("%s The next attempt is in %.0f s.", report.stopped, delay)
        return delay

    async def _run_cycle(self) -> CycleReport:
        storage, workloads = self._storage, self._workloads
        if storage is None:
            self._close_listing()
            self._errors.clear()
            return CycleReport()
        listing = self._listing_of(storage)
        report = await self._cycle.run(storage, workloads, listing, self._quiet_period)
        self._record_report(report)
        fetched = any(comparison.fetch for comparison in report.comparisons)
        if report.stopped is None and not fetched:
            await asyncio.to_thread(self._spool.clear)
        return report

    def _listing_of(self, storage: S3Storage) -> ListingClient:
        if self._listing is None or self._listing.storage != storage:
            self._close_listing()
            self._listing = ListingClient(storage)
        return self._listing

    def _close_listing(self) -> None:
        if self._listing is not None:
            self._listing.close()
            self._listing = None

    def _record_report(self, report: CycleReport) -> None:
        if report.transferred:
            self._counters = self._database.load_statuses()
        self._set_errors(report)

    def _set_errors(self, report: CycleReport) -> None:
        for workload in self._workloads if not report.comparisons else ():
            self._set_error(workload.name, report.stopped)
        for comparison in report.comparisons:
            if comparison.workload not in self._cycle.removed_workloads:
                self._report_once(comparison)
                self._set_error(
                    comparison.workload, report.stopped or self._describe_problem(comparison)
                )

    def _set_error(self, workload: str, error: str | None) -> None:
        if error is None:
            self._errors.pop(workload, None)
        else:
            self._errors[workload] = error

    def _describe_problem(self, comparison: Comparison) -> str | None:
        if comparison.problem:
            return comparison.problem
        if failed := self._failures.messages(comparison.workload):
            return with_code(_summarize("Not synchronised", failed), TRANSFER_FAILED)
        if any(skipped.reason == TOO_MANY for skipped in comparison.skipped):
            return with_code(f"Not all is synchronised: {TOO_MANY}.", TOO_MANY_FILES)
        if comparison.skipped:
            return with_code(_summarize("Skipped", [*map(str, comparison.skipped)]), ENTRY_SKIPPED)
        return None

    def _report_once(self, comparison: Comparison) -> None:
        now = {(comparison.workload, str(skipped)) for skipped in comparison.skipped}
        for workload, text in now - self._reported:
            skipped_log.log(logging.WARNING, "%s: skipped %s [%s]", workload, text, ENTRY_SKIPPED)
        others = {
            (workload, text) for workload, text in self._reported if workload != comparison.workload
        }
        self._reported = others | now


def _summarize(what: str, items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    shown = "; ".join(item[:MAX_ITEM] for item in sorted(items)[:SHOWN])
    return f"{what}: {shown}{more}."


def _identify_bucket(storage: S3Storage) -> str:
    return hashlib.sha256(f"{storage.endpoint}\0{storage.bucket}".encode()).hexdigest()
