"""Pure planning: what exists and what is remembered → what must be transferred.

Rules (docs/reference/device.md#what-is-transferred):

* Each side is compared with its own records in the state database. A local change is sent; a change
  in the bucket is fetched. Removal on either side is never repeated on the other.
* A directory may be the source of egress and the target of ingress. What came from the bucket and
  was not changed on the device is not sent (so no file circulates); what the device sent is not
  fetched. If both sides of the same path and key changed, the device's version is sent.
* A fetched file that was removed on the device stays removed until the object changes, unless the
  whole target directory is gone, which means that the volume is a new one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flotta.sync.listing import RemoteObject
from flotta.sync.model import DataPath, FileStat, Skipped
from flotta.sync.paths import NameRefusedError, path_of_key
from flotta.sync.state_db import FileRecord


@dataclass(frozen=True)
class LocalFile:
    """A file in the export directory and the key it belongs to."""

    path: str
    key: str
    stat: FileStat


@dataclass(frozen=True)
class PlannedDownload:
    """An object of the bucket and the path it belongs to."""

    path: str
    remote: RemoteObject


@dataclass
class UploadPlan:
    """What to send, and records whose file was removed or is no longer configured."""

    send: list[LocalFile] = field(default_factory=list)
    gone: list[FileRecord] = field(default_factory=list)


def plan_uploads(
    found: Iterable[LocalFile],
    sent: Mapping[tuple[str, str], FileRecord],
    fetched: Mapping[tuple[str, str], FileRecord],
    room: int = sys.maxsize,
) -> UploadPlan:
    """Compare local files with what is remembered of both directions.

    At most `room` files are planned to be sent; the others follow when these are sent.
    """
    from_bucket = {(record.path, record.stat) for record in fetched.values()}
    plan = UploadPlan()
    seen: set[tuple[str, str]] = set()
    for local in found:
        if (local.path, local.key) in seen:
            continue
        seen.add((local.path, local.key))
        record = sent.get((local.path, local.key))
        unchanged = record is not None and record.stat == local.stat and not record.pending
        planned = len(plan.send) < room and not unchanged
        if planned and (local.path, local.stat) not in from_bucket:
            plan.send.append(local)
    plan.gone = [record for name, record in sent.items() if name not in seen]
    return plan


@dataclass
class DownloadPlan:
    """Gathers what to fetch from one or more listings of one workload."""

    fetched: Mapping[tuple[str, str], FileRecord]
    sent: Mapping[tuple[str, str], FileRecord]
    skipped: Callable[[Skipped], None]
    room: int = sys.maxsize  # objects that are planned to be fetched; the others follow later
    fetch: list[PlannedDownload] = field(default_factory=list)
    _taken: dict[str, str] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)

    def add(
        self, data_path: DataPath, objects: Iterable[RemoteObject], *, target_exists: bool
    ) -> None:
        """Compare one listed directory with what is remembered of it."""
        ours = {record.key: record for record in self.sent.values()}
        for remote in objects:
            path = self._find_path(data_path, remote.key)
            if path is None:
                continue
            record = self.fetched.get((path, remote.key)) if target_exists else None
            known = _as_remembered(record, remote) or _sent_by_us(ours.get(remote.key), remote)
            if not known and len(self.fetch) < self.room:
                self.fetch.append(PlannedDownload(path, remote))

    def gone(self) -> list[FileRecord]:
        """Return remembered records whose object is no longer listed."""
        return [record for record in self.fetched.values() if record.key not in self._listed]

    def _find_path(self, data_path: DataPath, key: str) -> str | None:
        self._listed.add(key)
        if key.endswith("/"):
            return None  # a directory marker that S3 browsers leave: it has no content to fetch
        try:
            path = path_of_key(data_path.source, data_path.target, key)
        except NameRefusedError as refusal:
            self.skipped(Skipped(key, str(refusal)))
            return None
        first = self._taken.setdefault(path, key)
        if first != key:
            self.skipped(Skipped(key, f"{path} is already used by {first}"))
            return None
        return path


def _as_remembered(record: FileRecord | None, remote: RemoteObject) -> bool:
    if record is None:
        return False
    return (record.etag, record.remote_size, record.modified) == (
        remote.etag,
        remote.size,
        remote.modified,
    )


def _sent_by_us(record: FileRecord | None, remote: RemoteObject) -> bool:
    return (
        record is not None
        and record.stat is not None
        and remote.etag in (record.etag, record.digest)
    )
