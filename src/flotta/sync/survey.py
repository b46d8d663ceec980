"""Looks at both sides of every workload, in a thread, and plans what to transfer."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flotta.sync import paths, tree
from flotta.sync.listing import ConnectionFailedError, Listing, RefusedError
from flotta.sync.model import Pair, Skipped, SyncWorkload
from flotta.sync.plan import DownloadPlan, Fetch, LocalFile, UploadPlan, plan_uploads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flotta.sync.memory import Memory, Row


@dataclass
class Survey:
    """What one workload needs, and what was left out."""

    workload: str
    send: list[LocalFile] = field(default_factory=list)
    fetch: list[Fetch] = field(default_factory=list)
    sent: dict[tuple[str, str], Row] = field(default_factory=dict)
    aborts: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problem: str | None = None
    unreachable: bool = False
    bucket_gone: bool = False


class Surveyor:
    """Compares directories and the bucket with memory. Blocking: call it in a thread."""

    def __init__(self, volumes: Path, memory: Memory) -> None:
        self._volumes = volumes
        self._memory = memory

    def egress(self, workload: SyncWorkload) -> Survey:
        """Compare the export directory with memory; no request is made."""
        survey = Survey(workload.name)
        if not workload.egress:
            return survey
        survey.sent = self._memory.rows(workload.name, "up")
        fetched = self._memory.rows(workload.name, "down")
        plan = plan_uploads(self._local(workload, survey), survey.sent, fetched)
        survey.send = plan.send
        survey.aborts = [row for row in plan.gone if row.upload_id]
        self._drop(workload.name, plan)
        return survey

    def _drop(self, workload: str, plan: UploadPlan) -> None:
        finished = [row for row in plan.gone if not row.upload_id]
        if finished:
            self._memory.drop(workload, "up", finished)

    def ingress(self, workload: SyncWorkload, listing: Listing, survey: Survey) -> None:
        """Compare the bucket with memory; one listing for each configured source."""
        if not workload.ingress:
            return
        fetched = self._memory.rows(workload.name, "down")
        sent = survey.sent or self._memory.rows(workload.name, "up")
        plan = DownloadPlan(fetched, sent, survey.skipped.append)
        try:
            complete = [self._list(workload.name, pair, listing, plan) for pair in workload.ingress]
        except (RefusedError, ConnectionFailedError) as error:
            survey.problem = str(error)
            survey.unreachable = getattr(error, "code", None) != "AccessDenied"
            survey.bucket_gone = getattr(error, "code", None) == "NoSuchBucket"
            return
        sending = {(local.path, local.key) for local in survey.send}
        survey.fetch = [f for f in plan.fetch if (f.path, f.remote.key) not in sending]
        if all(complete) and (gone := plan.gone()):
            self._memory.drop(workload.name, "down", gone)

    def _list(self, workload: str, pair: Pair, listing: Listing, plan: DownloadPlan) -> bool:
        try:
            prefix, target = paths.prefix(pair.source), paths.directory(pair.target)
        except paths.NameRefusedError as refusal:
            plan.skipped(Skipped(f"{pair.source} → {pair.target}", str(refusal)))
            return False
        exists = tree.look(self._volumes / workload, target) is not None
        plan.add(pair, listing.objects(prefix), target_exists=exists)
        return True

    def look_again(self, workload: str, local: LocalFile) -> LocalFile | None:
        """Return the file as it is now, or None if it is gone."""
        found = tree.look(self._volumes / workload, local.path)
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return LocalFile(local.path, local.key, tree.file_stat(found))

    def _local(self, workload: SyncWorkload, survey: Survey) -> Iterator[LocalFile]:
        root = self._volumes / paths.check_workload_name(workload.name)
        if tree.look(root, "") is None:
            return
        for pair in workload.egress:
            try:
                yield from self._below(root, pair, survey)
            except (paths.NameRefusedError, OSError) as error:
                survey.skipped.append(Skipped(f"{pair.source} → {pair.target}", str(error)))

    def _below(self, root: Path, pair: Pair, survey: Survey) -> Iterator[LocalFile]:
        source = paths.directory(pair.source)
        paths.directory(pair.target)
        found = tree.look(root, source)
        if found is not None and stat.S_ISREG(found.st_mode):
            name = source.rpartition("/")[2]
            key = paths.key_of_single_file(pair.target, name)
            yield LocalFile(source, key, tree.file_stat(found))
            return
        for relative, seen in tree.walk(root, source, survey.skipped.append):
            try:
                key = paths.key_below(pair.target, relative)
            except paths.NameRefusedError as refusal:
                survey.skipped.append(Skipped(relative, str(refusal)))
                continue
            yield LocalFile(f"{source}/{relative}" if source else relative, key, seen)
