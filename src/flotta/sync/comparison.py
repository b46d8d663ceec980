"""Compares both sides of every workload with the state database and plans what to transfer."""

from __future__ import annotations

import hashlib
import itertools
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.sync import FILE_SYSTEM_NOT_MOUNTED
from flotta.sync import paths, tree
from flotta.sync.listing import ConnectionFailedError, ListingClient, RefusedError, parse_objects
from flotta.sync.model import DataPath, Direction, Skipped, SyncWorkload
from flotta.sync.plan import DownloadPlan, LocalFile, PlannedDownload, UploadPlan, plan_uploads
from flotta.sync.state_db import FileRecord, StateDatabase
from flotta.sync.tree_watch import TreeWatch

# Full comparisons happen at least every so many cycles, whatever the hints say.
MAX_REUSES = 20  # cycles
# What is compared is in memory, about a kibibyte for each entry, whatever a pod or a bucket holds.
MAX_ENTRIES = 100_000  # entries of an export directory, and objects of the bucket, of one workload
MAX_PAGES = 1000  # of the listings of one workload: a server may send small ones without end
MAX_KEPT = 8 << 20  # bytes of listings that are kept, so that they are not asked for twice
MAX_SKIPPED = 100  # entries that are named; the others are left out silently
MIN_PLANNED = 1000  # transfers of a workload in one cycle, however many others have
TOO_MANY = f"only {MAX_ENTRIES} entries of a workload are synchronised in each direction"


# Of a workload: a sentence without a full stop about a file system that is not mounted, or nothing.
FindAbsent = Callable[[str], str]


def nothing_absent(workload: str) -> str:
    """Find every file system mounted."""
    return ""


class TooManyEntriesError(Exception):
    """A workload has more entries than are compared."""


class Budget:
    """Counts the entries of one workload in one direction."""

    def __init__(self) -> None:
        self._left = MAX_ENTRIES

    def take(self, count: int = 1) -> None:
        """Count entries; raises TooManyEntriesError when there are too many of them."""
        self._left -= count
        if self._left < 0:
            raise TooManyEntriesError


@dataclass
class Comparison:
    """What one workload needs, and what was left out.

    `problem` is a sentence when one side could not be read. At most `room` files are to be sent
    and as many fetched.
    """

    workload: str
    room: int = MAX_ENTRIES
    send: list[LocalFile] = field(default_factory=list)
    fetch: list[PlannedDownload] = field(default_factory=list)
    sent: dict[tuple[str, str], FileRecord] = field(default_factory=dict)
    aborts: list[FileRecord] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problem: str | None = None
    unreachable: bool = False
    bucket_gone: bool = False
    is_partial: bool = False  # not every entry was looked at

    def skip(self, skipped: Skipped) -> None:
        """Note what is left out, as long as there is not too much of it."""
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(skipped)

    def skip_rest(self, place: str) -> None:
        """Note that there is more than is compared."""
        self.is_partial = True
        self.skipped.insert(0, Skipped(place, TOO_MANY))

    def forget_unneeded(self) -> None:
        """Keep only the records of what is to be sent; those of all files take up memory."""
        needed = {(local.path, local.key) for local in self.send}
        self.sent = {name: record for name, record in self.sent.items() if name in needed}


@dataclass(frozen=True)
class _ListedSource:
    """One listed bucket directory; an equal digest means an equal listing.

    `pages` is None where they are too large to be kept: they are asked for once more.
    """

    data_path: DataPath
    pages: list[bytes] | None
    digest: str
    page_count: int = 0


@dataclass
class _IdleComparison:
    """A comparison that found nothing to do, and how often its result may be used again."""

    inputs: object
    skipped: list[Skipped]
    uses: int = MAX_REUSES


class Comparer:
    """Compares directories and the bucket with the database. Blocking: call it in a thread."""

    def __init__(
        self, volumes: Path, database: StateDatabase, find_absent: FindAbsent = nothing_absent
    ) -> None:
        self._volumes = volumes
        self._database = database
        self._watch = TreeWatch()
        self._find_absent = find_absent
        self._idle: dict[tuple[str, Direction], _IdleComparison] = {}

    def require_full_comparison(self, workload: str | None = None) -> None:
        """Compare one workload, or all, in full the next time."""
        for known, direction in [*self._idle]:
            if workload in (None, known):
                self._idle.pop((known, direction), None)

    def find_unreadable(self, workload: SyncWorkload) -> Comparison | None:
        """Return a comparison with a problem if not all of the export directory is mounted.

        What is on that file system would look like removed, and be fetched into the directory below
        it. None if everything is there.
        """
        absent = self._find_absent(workload.name)
        if not absent:
            return None
        self.require_full_comparison(workload.name)
        sentence = with_code(f"Nothing is synchronised: {absent}.", FILE_SYSTEM_NOT_MOUNTED)
        return Comparison(workload.name, problem=sentence)

    def compare_egress(self, workload: SyncWorkload, room: int = MAX_ENTRIES) -> Comparison:
        """Compare the export directory with the database; no request is made.

        Where inotify saw nothing since a comparison without result, that result is used again, up
        to `MAX_REUSES` times.
        """
        for changed in self._watch.read_changed_workloads():
            self._idle.pop((changed, "up"), None)
        comparison = Comparison(workload.name, max(room, MIN_PLANNED))
        if not workload.egress or self._is_still_idle(
            "up", workload.name, workload.egress, comparison
        ):
            return comparison
        self._watch.restart_workload(workload.name)
        self._compare_export(workload, comparison)
        idle = not comparison.send and not comparison.aborts
        if idle and self._watch.is_complete(workload.name) and self._has_export(workload.name):
            self._idle[workload.name, "up"] = _IdleComparison(
                workload.egress, comparison.skipped[:]
            )
        return comparison

    def _is_still_idle(
        self, direction: Direction, workload: str, inputs: object, comparison: Comparison
    ) -> bool:
        idle = self._idle.get((workload, direction))
        if idle is None or idle.inputs != inputs or idle.uses <= 0:
            return False
        idle.uses -= 1
        comparison.skipped.extend(idle.skipped)
        return True

    def _has_export(self, workload: str) -> bool:
        return tree.stat_path(self._volumes / workload, "") is not None

    def _compare_export(self, workload: SyncWorkload, comparison: Comparison) -> None:
        comparison.sent = self._database.load_records(workload.name, "up")
        fetched = self._database.load_records(workload.name, "down")
        found = self._walk_sources(workload, comparison)
        plan = plan_uploads(found, comparison.sent, fetched, comparison.room)
        comparison.send = plan.send
        if not comparison.is_partial:  # else what was not looked at would count as gone
            comparison.aborts = [record for record in plan.gone if record.upload_id]
            self._forget_gone(workload.name, plan)

    def _forget_gone(self, workload: str, plan: UploadPlan) -> None:
        finished = [record for record in plan.gone if not record.upload_id]
        if finished:
            self._database.delete_records(workload, "up", finished)

    def compare_ingress(
        self, workload: SyncWorkload, listing: ListingClient, comparison: Comparison
    ) -> None:
        """Compare the bucket with the database; one listing for each configured source."""
        if not workload.ingress:
            return
        try:
            self._compare_sources(workload, listing, comparison)
        except (RefusedError, ConnectionFailedError) as error:
            comparison.problem = str(error)
            comparison.unreachable = getattr(error, "code", None) != "AccessDenied"
            comparison.bucket_gone = getattr(error, "code", None) == "NoSuchBucket"

    def _compare_sources(
        self, workload: SyncWorkload, listing: ListingClient, comparison: Comparison
    ) -> None:
        budget = Budget()
        sources = [
            self._list_source(data_path, listing, comparison, budget)
            for data_path in workload.ingress
        ]
        inputs = [
            (source.data_path, source.digest, self._has_target(workload, source))
            for source in sources
        ]
        if comparison.send or not self._is_still_idle("down", workload.name, inputs, comparison):
            self._compare_listings(workload, sources, comparison, inputs, listing)

    def _compare_listings(
        self,
        workload: SyncWorkload,
        sources: list[_ListedSource],
        comparison: Comparison,
        inputs: object,
        listing: ListingClient,
    ) -> None:
        fetched = self._database.load_records(workload.name, "down")
        sent = comparison.sent or self._database.load_records(workload.name, "up")
        before = len(comparison.skipped)
        plan = DownloadPlan(fetched, sent, comparison.skip, comparison.room)
        for source in sources:
            exists = self._has_target(workload, source)
            objects = parse_objects(_pages_of(source, listing))
            plan.add(source.data_path, objects, target_exists=exists)
        sending = {(local.path, local.key) for local in comparison.send}
        comparison.fetch = [
            download
            for download in plan.fetch
            if (download.path, download.remote.key) not in sending
        ]
        if not comparison.is_partial and (gone := plan.gone()):
            self._database.delete_records(workload.name, "down", gone)
        if not plan.fetch:
            self._idle[workload.name, "down"] = _IdleComparison(inputs, comparison.skipped[before:])

    def _list_source(
        self, data_path: DataPath, listing: ListingClient, comparison: Comparison, budget: Budget
    ) -> _ListedSource:
        try:
            prefix = paths.listing_prefix(data_path.source)
            paths.normalize_directory(data_path.target)
        except paths.NameRefusedError as refusal:
            comparison.skip(Skipped(f"{data_path.source} → {data_path.target}", str(refusal)))
            return _ListedSource(data_path, [], "")
        pages: list[bytes] | None = []
        digest, size, count = hashlib.sha256(), 0, 0
        for page in listing.list_pages(prefix):
            try:
                budget.take(max(page.count(b"<Contents>"), MAX_ENTRIES // MAX_PAGES))
            except TooManyEntriesError:
                comparison.skip_rest(data_path.source)
                break
            digest.update(hashlib.sha256(page).digest())
            size, count = size + len(page), count + 1
            pages = [*pages, page] if pages is not None and size <= MAX_KEPT else None
        return _ListedSource(data_path, pages, digest.hexdigest(), count)

    def _has_target(self, workload: SyncWorkload, source: _ListedSource) -> bool:
        if not source.digest:
            return False
        target = paths.normalize_directory(source.data_path.target)
        return tree.stat_path(self._volumes / workload.name, target) is not None

    def read_again(self, workload: str, local: LocalFile) -> LocalFile | None:
        """Return the file as it is now, or None if it was removed."""
        found = tree.stat_path(self._volumes / workload, local.path)
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return LocalFile(local.path, local.key, tree.file_stat(found))

    def _walk_sources(self, workload: SyncWorkload, comparison: Comparison) -> Iterator[LocalFile]:
        root = self._volumes / paths.check_workload_name(workload.name)
        if tree.stat_path(root, "") is None:
            return
        budget = Budget()
        for data_path in workload.egress:
            try:
                yield from self._walk_source(root, data_path, comparison, budget)
            except TooManyEntriesError:
                comparison.skip_rest(data_path.source)
                return
            except (paths.NameRefusedError, OSError) as error:
                comparison.skip(Skipped(f"{data_path.source} → {data_path.target}", str(error)))

    def _walk_source(
        self, root: Path, data_path: DataPath, comparison: Comparison, budget: Budget
    ) -> Iterator[LocalFile]:
        source = paths.normalize_directory(data_path.source)
        paths.normalize_directory(data_path.target)
        self._watch_way_to(root, source)
        found = tree.stat_path(root, source)
        if found is not None and stat.S_ISREG(found.st_mode):
            name = source.rpartition("/")[2]
            key = paths.key_of_single_file(data_path.target, name)
            yield LocalFile(source, key, tree.file_stat(found))
            return
        watch = partial(self._watch.add_directory, root.name)
        for relative, seen in tree.walk(root, source, comparison.skip, watch, budget.take):
            try:
                key = paths.key_below(data_path.target, relative)
            except paths.NameRefusedError as refusal:
                comparison.skip(Skipped(relative, str(refusal)))
                continue
            yield LocalFile(f"{source}/{relative}" if source else relative, key, seen)

    def _watch_way_to(self, root: Path, source: str) -> None:
        """Watch the directories above a source too: the source may be made or replaced."""
        parts = source.split("/")
        for end in range(len(parts)):
            try:
                with tree.open_directory(root, "/".join(parts[:end])) as descriptor:
                    self._watch.add_directory(root.name, descriptor)
            except OSError:
                return


def _pages_of(source: _ListedSource, listing: ListingClient) -> Iterable[bytes]:
    if source.pages is not None:
        return source.pages
    prefix = paths.listing_prefix(source.data_path.source)
    return itertools.islice(listing.list_pages(prefix), source.page_count)
