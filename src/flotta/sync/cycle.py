"""One cycle: look at both sides, let changing files settle, transfer, remember."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flotta.sync.job import Abort, Answer, Download, Fatal, Outcome, Started, Task, Upload
from flotta.sync.memory import Memory, Row
from flotta.sync.model import FileStat, SyncedPath
from flotta.sync.plan import Fetch, LocalFile

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from flotta.sync.failures import Failures
    from flotta.sync.listing import Listing
    from flotta.sync.model import Direction, S3Storage, SyncWorkload
    from flotta.sync.survey import Survey, Surveyor
    from flotta.sync.transfer import Transfer

_LOG = logging.getLogger(__name__)
_BATCH = 1000
# A file that changes at every look is sent as it is after so many cycles; reading it is checked.
_MAX_DEFERRALS = 2
_CHANGING_LIMIT = 4


@dataclass(frozen=True)
class _Item:
    """A task of the child and what it was planned from."""

    task: Task
    of: LocalFile | Fetch | Row

    @property
    def direction(self) -> Direction:
        return "down" if isinstance(self.task, Download) else "up"

    @property
    def path(self) -> SyncedPath:
        return SyncedPath(self.task.workload, self.direction, self.task.path)

    @property
    def fingerprint(self) -> Hashable:
        return fingerprint(self.of)


@dataclass
class Report:
    """What a cycle could not do. `stopped` is the sentence if the storage as a whole failed."""

    stopped: str | None = None
    surveys: list[Survey] = field(default_factory=list)
    unsettled: int = 0
    transferred: int = 0


class Cycle:
    """Runs cycles, one at a time; remembers across them which files keep changing."""

    def __init__(
        self, surveyor: Surveyor, memory: Memory, transfer: Transfer, failures: Failures
    ) -> None:
        self._surveyor = surveyor
        self._memory = memory
        self._transfer = transfer
        self._failures = failures
        self._changing: dict[tuple[str, str], int] = {}
        self._interrupted = False
        self.forgotten: set[str] = set()

    def interrupt(self) -> None:
        """End a running cycle soon; what is left is done by the next."""
        self._interrupted = True
        self._transfer.interrupt()

    async def run(
        self,
        storage: S3Storage,
        workloads: Sequence[SyncWorkload],
        listing: Listing | None,
        settle: float,
    ) -> Report:
        """Do one cycle with this configuration; without `listing` only egress.

        `settle` is the time in seconds in which a file must not have changed to be sent.
        """
        self.forgotten.clear()
        self._interrupted = False
        report = Report()
        report.surveys = await asyncio.to_thread(self._survey, workloads, listing)
        report.stopped = next((s.problem for s in report.surveys if s.unreachable), None)
        if any(survey.bucket_gone for survey in report.surveys):
            self._bucket_is_gone()
        if report.stopped:
            return report
        self._only_due(report.surveys)
        if settle:
            report.unsettled = await self._settle(report.surveys, settle)
        await self._transfer_all(storage, _items(report.surveys), report)
        return report

    def _bucket_is_gone(self) -> None:
        self._memory.bucket_is_gone()
        self._surveyor.forget()

    def _survey(self, workloads: Sequence[SyncWorkload], listing: Listing | None) -> list[Survey]:
        surveys = []
        for workload in workloads:
            survey = self._surveyor.egress(workload)
            surveys.append(survey)
            # After one failed listing the others would only wait for the same timeout.
            if listing is not None and not any(one.unreachable for one in surveys):
                self._surveyor.ingress(workload, listing, survey)
        return surveys

    def _only_due(self, surveys: Iterable[Survey]) -> None:
        for survey in surveys:
            name = survey.workload
            self._failures.retain_paths(name, "up", {local.path for local in survey.send})
            self._failures.retain_paths(name, "down", {fetch.path for fetch in survey.fetch})
            survey.send = [one for one in survey.send if self._is_due(name, "up", one)]
            survey.fetch = [one for one in survey.fetch if self._is_due(name, "down", one)]

    def _is_due(self, workload: str, direction: Direction, one: LocalFile | Fetch) -> bool:
        return self._failures.is_due(SyncedPath(workload, direction, one.path), fingerprint(one))

    async def _settle(self, surveys: list[Survey], settle: float) -> int:
        if not any(survey.send for survey in surveys):
            return 0
        await asyncio.sleep(settle)
        return await asyncio.to_thread(self._keep_settled, surveys)

    def _keep_settled(self, surveys: Iterable[Survey]) -> int:
        left_out = 0
        for survey in surveys:
            kept = []
            for before in survey.send:
                now = self._surveyor.look_again(survey.workload, before)
                if now is not None and self._is_settled(survey.workload, before, now):
                    kept.append(now)
                else:
                    left_out += 1
            survey.send = kept
        return left_out

    def _is_settled(self, workload: str, before: LocalFile, now: LocalFile) -> bool:
        if before.stat == now.stat:
            return True
        return self._still_changing(workload, now.path) > _MAX_DEFERRALS

    def _still_changing(self, workload: str, path: str) -> int:
        count = self._changing.get((workload, path), 0) + 1
        self._changing[workload, path] = count
        return count

    async def _transfer_all(self, storage: S3Storage, items: list[_Item], report: Report) -> None:
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            wanted = [item for item in batch if item.task.workload not in self.forgotten]
            if wanted and report.stopped is None and not self._interrupted:
                await self._transfer_batch(storage, wanted, report)

    async def _transfer_batch(self, storage: S3Storage, items: list[_Item], report: Report) -> None:
        by_number = {item.task.number: item for item in items}
        await asyncio.to_thread(self._begin, items)
        tasks = [item.task for item in items]
        async with aclosing(self._transfer.run(storage, tasks)) as answers:
            async for batch in answers:
                await asyncio.to_thread(self._note, batch, by_number, report)

    def _begin(self, items: list[_Item]) -> None:
        for workload in {item.task.workload for item in items}:
            sending = [
                Row(item.task.path, item.task.key)
                for item in items
                if item.task.workload == workload and isinstance(item.of, LocalFile)
            ]
            self._memory.mark_pending(workload, "up", sending)

    def _note(self, batch: list[Answer], items: dict[int, _Item], report: Report) -> None:
        finished: dict[tuple[str, Direction], list[tuple[_Item, Outcome]]] = {}
        for answer in batch:
            if isinstance(answer, Fatal):
                report.stopped = answer.message
                if answer.kind == "bucket":
                    self._bucket_is_gone()
                continue
            item = items[answer.number]
            if item.task.workload in self.forgotten:
                continue
            if isinstance(answer, Started):
                task = item.task
                self._memory.set_upload(task.workload, task.path, task.key, answer.upload_id)
            elif self._is_success(item, answer):
                name = (item.task.workload, item.direction)
                finished.setdefault(name, []).append((item, answer))
        for (workload, direction), outcomes in finished.items():
            self._remember(workload, direction, outcomes)
            report.transferred += len(outcomes)

    def _is_success(self, item: _Item, outcome: Outcome) -> bool:
        if outcome.result in ("done", "equal", "unchanged"):
            self._failures.record_success(item.path)
            self._changing.pop((item.task.workload, item.task.path), None)
            return True
        if outcome.result == "failed":
            self._failed(item, outcome.message or "failed")
        elif outcome.result == "changing" and item.direction == "up":
            self._changed_while_read(item)
        return False

    def _changed_while_read(self, item: _Item) -> None:
        if self._still_changing(item.task.workload, item.task.path) > _CHANGING_LIMIT:
            self._failed(item, "keeps changing while it is read")

    def _failed(self, item: _Item, message: str) -> None:
        task = item.task
        _LOG.warning("%s of %s/%s failed: %s", item.direction, task.workload, task.path, message)
        self._failures.record_failure(item.path, item.fingerprint, message)

    def _remember(
        self, workload: str, direction: Direction, outcomes: list[tuple[_Item, Outcome]]
    ) -> None:
        aborted = [item.of for item, _ in outcomes if isinstance(item.of, Row)]
        rows = [_row(item, outcome) for item, outcome in outcomes if not isinstance(item.of, Row)]
        moved = sum(
            outcome.result != "unchanged"
            for item, outcome in outcomes
            if not isinstance(item.of, Row)
        )
        self._memory.drop(workload, direction, aborted)
        self._memory.remember(workload, direction, rows, moved)
        for item, outcome in outcomes:
            _LOG.info("%s %s/%s: %s", direction, workload, item.task.path, outcome.result)


def fingerprint(of: LocalFile | Fetch | Row) -> Hashable:
    """Return what must differ for a failed path to be tried before its time."""
    if isinstance(of, LocalFile):
        return of.stat
    return of.remote if isinstance(of, Fetch) else of.upload_id


def _items(surveys: Iterable[Survey]) -> list[_Item]:
    items: list[_Item] = []
    for survey in surveys:
        for local in survey.send:
            row = survey.sent.get((local.path, local.key))
            items.append(_Item(_upload(len(items), survey.workload, local, row), local))
        for fetch in survey.fetch:
            items.append(_Item(_download(len(items), survey.workload, fetch), fetch))
        for row in survey.aborts:
            upload_id = row.upload_id or ""
            task = Abort(len(items), survey.workload, row.path, row.key, upload_id)
            items.append(_Item(task, row))
    return items


def _upload(number: int, workload: str, local: LocalFile, row: Row | None) -> Upload:
    return Upload(
        number=number,
        workload=workload,
        path=local.path,
        key=local.key,
        check=row is None or row.pending,
        digest=row.digest if row else None,
        upload_id=row.upload_id if row else None,
    )


def _download(number: int, workload: str, fetch: Fetch) -> Download:
    remote = fetch.remote
    return Download(
        number, workload, fetch.path, remote.key, remote.etag, remote.size, remote.modified
    )


def _row(item: _Item, outcome: Outcome) -> Row:
    stat = FileStat(*outcome.stat) if outcome.stat else None
    row = Row(item.task.path, item.task.key, stat, outcome.digest, outcome.etag)
    if isinstance(item.of, Fetch):
        remote = item.of.remote
        return dataclasses.replace(row, remote_size=remote.size, modified=remote.modified)
    return dataclasses.replace(row, remote_size=stat.size if stat else None)
