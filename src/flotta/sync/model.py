"""What the owner of the synchronisation configures and reads back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

Direction = Literal["up", "down"]


class SyncError(Exception):
    """Something kept the synchronisation from working; the text is a sentence for the operator."""


@dataclass(frozen=True)
class S3Storage:
    """One bucket and its credentials. `endpoint` is a URL; no `ca_pem`: the system's CAs."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    ca_pem: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DataPath:
    """Egress: `source` below the export directory, `target` in the bucket. Ingress: the reverse."""

    source: str
    target: str


@dataclass(frozen=True)
class SyncWorkload:
    """What flows up and down for one workload."""

    name: str
    egress: Sequence[DataPath] = ()
    ingress: Sequence[DataPath] = ()


@dataclass(frozen=True)
class SyncStatus:
    """Persisted counters of one workload, and a sentence about its problem, if any."""

    last_data_upload: datetime | None = None
    files_up: int = 0
    files_down: int = 0
    error: str | None = None


@dataclass(frozen=True, order=True)
class FileStat:
    """What distinguishes a changed file from an unchanged one without reading it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class SyncedPath(NamedTuple):
    """A file of a workload that goes up or down; `path` is below the export directory."""

    workload: str
    direction: Direction
    path: str


@dataclass(frozen=True)
class Skipped:
    """An entry that is not synchronised, and the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
