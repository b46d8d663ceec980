"""The resident part: a cycle every few seconds, configuration, final uploads, status."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
from typing import TYPE_CHECKING

from flotta.backoff import Backoff
from flotta.sync.cycle import Cycle, Report
from flotta.sync.failures import Failures
from flotta.sync.listing import Listing
from flotta.sync.memory import Memory
from flotta.sync.model import Pair, S3Storage, SyncError, SyncStatus, SyncWorkload
from flotta.sync.survey import Survey, Surveyor
from flotta.sync.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Pair", "S3Storage", "SyncError", "SyncLoop", "SyncStatus", "SyncWorkload"]

_LOG = logging.getLogger(__name__)
_SETTLE = 1.0
_SHOWN = 3
_RETRY_DELAYS = (2.0, 300.0)  # seconds after the first failure of the storage, and at most


class SyncLoop:
    """Keeps export directories and a bucket in step.

    `state_dir` holds the state database, `volumes_dir` one export directory for each workload; the
    spool of downloads lies beside it in the same file system. `interval` is in seconds.
    """

    def __init__(
        self,
        state_dir: Path,
        volumes_dir: Path,
        interval: float = 15.0,
        *,
        settle: float = _SETTLE,
    ) -> None:
        self._interval = interval
        self._settle = settle
        self._spool = volumes_dir.parent / "spool"
        self._memory = Memory(state_dir / "sync.db")
        self._transfer = Transfer(volumes_dir, self._spool)
        self._failures = Failures(interval)
        self._surveyor = Surveyor(volumes_dir, self._memory)
        self._cycle = Cycle(self._surveyor, self._memory, self._transfer, self._failures)
        self._backoff = Backoff(*_RETRY_DELAYS)
        self._busy = asyncio.Lock()
        self._wake = asyncio.Event()
        self._storage: S3Storage | None = None
        self._workloads: tuple[SyncWorkload, ...] = ()
        self._listing: Listing | None = None
        self._counters = self._memory.statuses()
        self._errors: dict[str, str] = {}
        self._reported: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Run cycles until cancelled."""
        try:
            while True:
                self._wake.clear()
                delay = await self._guarded_cycle()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
        finally:
            self._transfer.interrupt()
            self._close_listing()

    def configure(self, storage: S3Storage | None, workloads: Sequence[SyncWorkload]) -> None:
        """Set what the next cycle synchronises; a running one finishes with what it began with."""
        wanted = tuple(workloads)
        if (storage, wanted) == (self._storage, self._workloads):
            return
        if storage is not None and storage != self._storage:
            self._memory.use_bucket(_identity(storage))
            self._failures.clear()
            self._surveyor.forget()
        self._storage, self._workloads = storage, wanted
        self._errors = {w.name: e for w in wanted if (e := self._errors.get(w.name))}
        self._backoff.reset()
        self._wake.set()

    async def flush(self, workload: str, timeout: float) -> bool:  # noqa: ASYNC109
        """Send what a workload still has to send, within `timeout` seconds; True if all was sent.

        A running transfer is interrupted for it and taken up again by the next cycle.
        """
        storage = self._storage
        chosen = [one for one in self._workloads if one.name == workload]
        if storage is None or not chosen:
            return True
        try:
            async with asyncio.timeout(timeout):
                self._cycle.interrupt()
                async with self._busy:
                    return await self._final_upload(storage, chosen)
        except TimeoutError:
            _LOG.warning("the final upload of %s was not finished in %s s", workload, timeout)
            return False

    async def _final_upload(self, storage: S3Storage, workloads: list[SyncWorkload]) -> bool:
        self._failures.clear(workloads[0].name)
        self._surveyor.forget(workloads[0].name)
        report = await self._cycle.run(storage, workloads, None, 0.0)
        self._take(report)
        return report.stopped is None and not self._failures.messages(workloads[0].name)

    def status(self, workload: str) -> SyncStatus:
        """Return counters, time of the last upload and the current error of a workload."""
        known = self._counters.get(workload, SyncStatus())
        return dataclasses.replace(known, error=self._errors.get(workload))

    def forget(self, workload: str) -> None:
        """Forget a workload that was removed; its transfers that still run are not recorded."""
        self._cycle.forgotten.add(workload)
        self._cycle.interrupt()  # a child must not write into a directory that is being removed
        self._workloads = tuple(one for one in self._workloads if one.name != workload)
        self._failures.clear(workload)
        self._memory.forget(workload)
        self._surveyor.forget(workload)
        self._counters.pop(workload, None)
        self._errors.pop(workload, None)

    def wipe(self) -> None:
        """Forget everything and stop what runs: the device is being decommissioned."""
        for name in {*self._counters, *(one.name for one in self._workloads)}:
            self.forget(name)
        self._storage = None
        self._cycle.interrupt()
        self._surveyor.forget()
        self._memory.wipe()

    async def _guarded_cycle(self) -> float:
        """Run one cycle; returns the seconds until the next."""
        try:
            async with self._busy:
                report = await self._one_cycle()
        except Exception as error:  # the outermost loop: logged, reported, tried again
            _LOG.exception("synchronisation failed")
            report = Report(stopped=f"The synchronisation failed: {error}")
            self._set_errors(report)
        if report.stopped is None:
            self._backoff.reset()
            return self._interval
        delay = self._backoff.next()
        _LOG.warning("%s The next attempt is in %.0f s.", report.stopped, delay)
        return delay

    async def _one_cycle(self) -> Report:
        storage, workloads = self._storage, self._workloads
        if storage is None:
            self._close_listing()
            return Report()
        listing = self._listing_of(storage)
        report = await self._cycle.run(storage, workloads, listing, self._settle)
        self._take(report)
        if report.stopped is None and not any(survey.fetch for survey in report.surveys):
            await asyncio.to_thread(_clear, self._spool)
        return report

    def _listing_of(self, storage: S3Storage) -> Listing:
        if self._listing is None or self._listing.storage != storage:
            self._close_listing()
            self._listing = Listing(storage)
        return self._listing

    def _close_listing(self) -> None:
        if self._listing is not None:
            self._listing.close()
            self._listing = None

    def _take(self, report: Report) -> None:
        if report.transferred:
            self._counters = self._memory.statuses()
        self._set_errors(report)

    def _set_errors(self, report: Report) -> None:
        for workload in self._workloads if not report.surveys else ():
            self._set_error(workload.name, report.stopped)
        for survey in report.surveys:
            if survey.workload not in self._cycle.forgotten:
                self._report_once(survey)
                self._set_error(survey.workload, report.stopped or self._error(survey))

    def _set_error(self, workload: str, error: str | None) -> None:
        if error is None:
            self._errors.pop(workload, None)
        else:
            self._errors[workload] = error

    def _error(self, survey: Survey) -> str | None:
        if survey.problem:
            return survey.problem
        if failed := self._failures.messages(survey.workload):
            return _sentence("Not synchronised", failed)
        if survey.skipped:
            return _sentence("Skipped", [str(one) for one in survey.skipped])
        return None

    def _report_once(self, survey: Survey) -> None:
        now = {(survey.workload, str(one)) for one in survey.skipped}
        for workload, text in now - self._reported:
            _LOG.warning("%s: skipped %s", workload, text)
        others = {one for one in self._reported if one[0] != survey.workload}
        self._reported = others | now


def _sentence(what: str, items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{what}: {'; '.join(sorted(items)[:_SHOWN])}{more}."


def _identity(storage: S3Storage) -> str:
    return hashlib.sha256(f"{storage.endpoint}\0{storage.bucket}".encode()).hexdigest()


def _clear(spool: Path) -> None:
    """Remove partial downloads that nothing asks for any more and what a killed child left."""
    for left_over in (*spool.glob("*.part"), *spool.glob("*.pem")):
        left_over.unlink(missing_ok=True)
