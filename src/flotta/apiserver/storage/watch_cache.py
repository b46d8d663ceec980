"""The in-memory log of recent changes, from which watches and old list pages are served.

Rules: docs/reference/resource-api.md#watches-and-the-resume-window.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import msgspec

from flotta.apiserver.json_object import JsonObject

# A change is kept while it is within one of these limits,
KEPT_EVENTS = 10_000  # changes
KEPT_SECONDS = 300.0  # as long as etcd's compaction interval in Kubernetes
# but never beyond one of these.
KEPT_BYTES = 64 * 1024 * 1024  # of memory, which is about that of the disk
MAX_EVENTS = 100_000  # changes
# Memory of a change apart from the text of its objects, and of a label: measured on CPython 3.11.
CHANGE_BYTES = 1024
LABEL_BYTES = 256
# What a reader gets at a time, so that one that is slow does not hold the whole history.
MAX_READ_BYTES = 1024 * 1024


class ObjectKey(NamedTuple):
    """Where an object is: qualified resource, namespace ("" for none), name."""

    resource: str
    namespace: str
    name: str

    @property
    def sort_key(self) -> tuple[str, str]:
        """The order in a list: by the bytes of `namespace/name`."""
        return f"{self.namespace}/", self.name


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """A state of an object. Only bytes are kept: `load` returns a new copy each time."""

    key: ObjectKey
    version: int
    raw: bytes
    labels: dict[str, str]

    @property
    def memory(self) -> int:
        """About how many bytes this state takes up in memory."""
        texts = sum(len(name) + len(value) for name, value in self.labels.items())
        return len(self.raw) + texts + LABEL_BYTES * len(self.labels)

    def load(self) -> JsonObject:
        """Return the object as a dictionary that the caller may change."""
        loaded: JsonObject = msgspec.json.decode(self.raw)
        return loaded


def make_record(key: ObjectKey, version: int, obj: JsonObject) -> ObjectRecord:
    """Return a record of an object that already has `version` as its resourceVersion."""
    return ObjectRecord(key, version, msgspec.json.encode(obj), obj["metadata"].get("labels") or {})


@dataclass(frozen=True, slots=True)
class StoredChange:
    """An entry of the log; a DELETED change has the last state with a new version."""

    version: int
    type: str
    record: ObjectRecord
    previous: ObjectRecord | None

    @property
    def memory(self) -> int:
        """About how many bytes are in memory because of this change.

        The state after it is that before the next one, or the object as it is.
        """
        states = CHANGE_BYTES + (self.previous.memory if self.previous else 0)
        return states + (self.record.memory if self.type == "DELETED" else 0)


class _Kept(NamedTuple):
    """A change in the log, and when it was added by the monotonic clock."""

    change: StoredChange
    at: float


class WatchCache:
    """Recent changes of all resources, and the events that wake the readers that wait."""

    def __init__(
        self,
        kept_events: int = KEPT_EVENTS,
        kept_seconds: float = KEPT_SECONDS,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._kept_events = kept_events
        self._kept_seconds = kept_seconds
        self.kept_bytes = kept_bytes
        self._all: deque[_Kept] = deque()
        self._by_resource: defaultdict[str, deque[StoredChange]] = defaultdict(deque)
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.memory = 0
        """About how many bytes the log takes up in memory."""
        self.forgotten = 0
        """The newest version that is no longer in the log."""

    def append(self, change: StoredChange) -> None:
        """Add the newest change and wake the readers of its resource."""
        resource = change.record.key.resource
        self._all.append(_Kept(change, time.monotonic()))
        self.memory += change.memory
        self._by_resource[resource].append(change)
        for wake in self._waiting.get(resource, ()):
            wake.set()

    def trim(self) -> None:
        """Forget the changes that are beyond the limits."""
        oldest_kept = time.monotonic() - self._kept_seconds
        while self._all and self._is_beyond(oldest_kept):
            change, _ = self._all.popleft()
            self._by_resource[change.record.key.resource].popleft()
            self.memory -= change.memory
            self.forgotten = change.version

    def _is_beyond(self, oldest_kept: float) -> bool:
        if self.memory > self.kept_bytes or len(self._all) > MAX_EVENTS:
            return len(self._all) > 1
        return len(self._all) > self._kept_events and self._all[0].at < oldest_kept

    def changes_after(self, resource: str, version: int) -> list[StoredChange] | None:
        """Return the changes of a resource that are newer than a version, oldest first.

        None when the log does not reach back that far: the reader has missed changes.
        """
        if version < self.forgotten:
            return None
        return _newer_than(version, reversed(self._by_resource[resource]))

    def next_changes(self, resource: str, version: int) -> list[StoredChange] | None:
        """Return the first of the changes that `changes_after` returns, about a MiB of them."""
        changes = self.changes_after(resource, version)
        size = 0
        for index, change in enumerate(changes or ()):
            size += len(change.record.raw)
            if size >= MAX_READ_BYTES:
                return (changes or [])[: index + 1]
        return changes

    def all_changes_after(self, version: int) -> list[StoredChange] | None:
        """Return the changes of all resources that are newer than a version, or None."""
        if version < self.forgotten:
            return None
        return _newer_than(version, (kept.change for kept in reversed(self._all)))

    def subscribe(self, resource: str, wake: asyncio.Event) -> None:
        """Set `wake` at every change of a resource, until `unsubscribe`."""
        self._waiting.setdefault(resource, set()).add(wake)

    def unsubscribe(self, resource: str, wake: asyncio.Event) -> None:
        """Stop setting `wake`."""
        self._waiting.get(resource, set()).discard(wake)


def _newer_than(version: int, newest_first: Iterable[StoredChange]) -> list[StoredChange]:
    return list(takewhile(lambda change: change.version > version, newest_first))[::-1]
