"""Looks at both sides of every workload, in a thread, and plans what to transfer."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from flotta.sync import paths, tree
from flotta.sync.listing import ConnectionFailedError, Listing, RefusedError, objects_of
from flotta.sync.model import Pair, Skipped, SyncWorkload
from flotta.sync.plan import DownloadPlan, Fetch, LocalFile, UploadPlan, plan_uploads
from flotta.sync.tree_watch import TreeWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flotta.sync.memory import Memory, Row

# Full comparisons happen at least every so many cycles, whatever the hints say.
_QUIET_USES = 20


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


@dataclass(frozen=True)
class _Source:
    """One listed bucket directory; an equal digest means an equal listing."""

    pair: Pair
    pages: list[bytes]
    digest: str


@dataclass
class _Quiet:
    """A comparison that found nothing to do, and how often its result may be used again."""

    of: object
    skipped: list[Skipped]
    uses: int = _QUIET_USES


class Surveyor:
    """Compares directories and the bucket with memory. Blocking: call it in a thread."""

    def __init__(self, volumes: Path, memory: Memory) -> None:
        self._volumes = volumes
        self._memory = memory
        self._watch = TreeWatch()
        self._quiet: dict[tuple[str, str], _Quiet] = {}

    def forget(self, workload: str | None = None) -> None:
        """Compare one workload, or all, in full the next time."""
        for name in [n for n in self._quiet if workload in (None, n[0])]:
            self._quiet.pop(name, None)

    def egress(self, workload: SyncWorkload) -> Survey:
        """Compare the export directory with memory; no request is made.

        Where inotify saw nothing since a comparison without result, it is not repeated but now and then.
        """
        for changed in self._watch.read_changed_workloads():
            self._quiet.pop((changed, "up"), None)
        survey = Survey(workload.name)
        if not workload.egress or self._still_quiet("up", workload.name, workload.egress, survey):
            return survey
        self._watch.restart_workload(workload.name)
        self._compare_egress(workload, survey)
        idle = not survey.send and not survey.aborts
        if idle and self._watch.is_complete(workload.name) and self._exists(workload.name):
            quiet = _Quiet(workload.egress, survey.skipped[:])
            self._quiet[workload.name, "up"] = quiet
        return survey

    def _still_quiet(self, direction: str, workload: str, of: object, survey: Survey) -> bool:
        quiet = self._quiet.get((workload, direction))
        if quiet is None or quiet.of != of or quiet.uses <= 0:
            return False
        quiet.uses -= 1
        survey.skipped.extend(quiet.skipped)
        return True

    def _exists(self, workload: str) -> bool:
        return tree.look(self._volumes / workload, "") is not None

    def _compare_egress(self, workload: SyncWorkload, survey: Survey) -> None:
        survey.sent = self._memory.rows(workload.name, "up")
        fetched = self._memory.rows(workload.name, "down")
        plan = plan_uploads(self._local(workload, survey), survey.sent, fetched)
        survey.send = plan.send
        survey.aborts = [row for row in plan.gone if row.upload_id]
        self._drop(workload.name, plan)

    def _drop(self, workload: str, plan: UploadPlan) -> None:
        finished = [row for row in plan.gone if not row.upload_id]
        if finished:
            self._memory.drop(workload, "up", finished)

    def ingress(self, workload: SyncWorkload, listing: Listing, survey: Survey) -> None:
        """Compare the bucket with memory; one listing for each configured source."""
        if not workload.ingress:
            return
        try:
            sources = [self._list(pair, listing, survey) for pair in workload.ingress]
        except (RefusedError, ConnectionFailedError) as error:
            survey.problem = str(error)
            survey.unreachable = getattr(error, "code", None) != "AccessDenied"
            survey.bucket_gone = getattr(error, "code", None) == "NoSuchBucket"
            return
        same = [
            (source.pair, source.digest, self._has_target(workload, source)) for source in sources
        ]
        if survey.send or not self._still_quiet("down", workload.name, same, survey):
            self._compare_ingress(workload, sources, survey, same)

    def _compare_ingress(
        self, workload: SyncWorkload, sources: list[_Source], survey: Survey, same: object
    ) -> None:
        fetched = self._memory.rows(workload.name, "down")
        sent = survey.sent or self._memory.rows(workload.name, "up")
        before = len(survey.skipped)
        plan = DownloadPlan(fetched, sent, survey.skipped.append)
        for source in sources:
            exists = self._has_target(workload, source)
            plan.add(source.pair, objects_of(source.pages), target_exists=exists)
        sending = {(local.path, local.key) for local in survey.send}
        survey.fetch = [f for f in plan.fetch if (f.path, f.remote.key) not in sending]
        if len(sources) == len(workload.ingress) and (gone := plan.gone()):
            self._memory.drop(workload.name, "down", gone)
        if not plan.fetch:
            self._quiet[workload.name, "down"] = _Quiet(same, survey.skipped[before:])

    def _list(self, pair: Pair, listing: Listing, survey: Survey) -> _Source:
        try:
            prefix = paths.prefix(pair.source)
            paths.directory(pair.target)
        except paths.NameRefusedError as refusal:
            survey.skipped.append(Skipped(f"{pair.source} → {pair.target}", str(refusal)))
            return _Source(pair, [], "")
        pages = list(listing.pages(prefix))
        digest = hashlib.sha256(b"".join(hashlib.sha256(page).digest() for page in pages))
        return _Source(pair, pages, digest.hexdigest())

    def _has_target(self, workload: SyncWorkload, source: _Source) -> bool:
        if not source.digest:
            return False
        target = paths.directory(source.pair.target)
        return tree.look(self._volumes / workload.name, target) is not None

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
        self._watch_way_to(root, source)
        found = tree.look(root, source)
        if found is not None and stat.S_ISREG(found.st_mode):
            name = source.rpartition("/")[2]
            key = paths.key_of_single_file(pair.target, name)
            yield LocalFile(source, key, tree.file_stat(found))
            return
        watch = partial(self._watch.add_directory, root.name)
        for relative, seen in tree.walk(root, source, survey.skipped.append, watch):
            try:
                key = paths.key_below(pair.target, relative)
            except paths.NameRefusedError as refusal:
                survey.skipped.append(Skipped(relative, str(refusal)))
                continue
            yield LocalFile(f"{source}/{relative}" if source else relative, key, seen)

    def _watch_way_to(self, root: Path, source: str) -> None:
        """Watch the directories above a source too: it may be made or replaced."""
        parts = source.split("/")
        for end in range(len(parts)):
            try:
                with tree.open_directory(root, "/".join(parts[:end])) as descriptor:
                    self._watch.add_directory(root.name, descriptor)
            except OSError:
                return
