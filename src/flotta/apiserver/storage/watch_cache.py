"""The in-memory log of recent changes, from which watches and old list pages are served.

Rules: docs/reference/resource-api.md#watches-and-the-resume-window.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile
from operator import attrgetter
from typing import NamedTuple

import msgspec

from flotta.apiserver.json_object import JsonObject

# A change is forgotten when it is beyond both limits.
KEPT_EVENTS = 10_000  # changes
KEPT_SECONDS = 300.0  # as long as etcd's compaction interval in Kubernetes
MIN_COMPACTION = 1000  # forgotten changes, before a list is copied to get rid of them


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
    at: float
    type: str
    record: ObjectRecord
    previous: ObjectRecord | None


@dataclass
class _ResourceLog:
    """The changes of a resource; those before `head` are forgotten and removed later."""

    changes: list[StoredChange] = field(default_factory=list)
    head: int = 0

    def forget_first(self) -> None:
        self.head += 1
        if self.head > MIN_COMPACTION and self.head * 2 > len(self.changes):
            del self.changes[: self.head]
            self.head = 0

    def after(self, version: int) -> list[StoredChange]:
        start = bisect_right(self.changes, version, lo=self.head, key=attrgetter("version"))
        return self.changes[start:]


class WatchCache:
    """Recent changes of all resources, and the events that wake the readers that wait."""

    def __init__(self, kept_events: int = KEPT_EVENTS, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept_events = kept_events
        self._kept_seconds = kept_seconds
        self._all: deque[StoredChange] = deque()
        self._by_resource: dict[str, _ResourceLog] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.forgotten = 0
        """The newest version that is no longer in the log."""

    def append(self, change: StoredChange) -> None:
        """Add the newest change and wake the readers of its resource."""
        resource = change.record.key.resource
        self._all.append(change)
        self._by_resource.setdefault(resource, _ResourceLog()).changes.append(change)
        for wake in self._waiting.get(resource, ()):
            wake.set()

    def trim(self) -> None:
        """Forget the changes that are beyond both limits."""
        oldest_kept = time.time() - self._kept_seconds
        while len(self._all) > self._kept_events and self._all[0].at < oldest_kept:
            change = self._all.popleft()
            self._by_resource[change.record.key.resource].forget_first()
            self.forgotten = change.version

    def changes_after(self, resource: str, version: int) -> list[StoredChange] | None:
        """Return the changes of a resource that are newer than a version, oldest first.

        None when the log does not reach back that far: the reader has missed changes.
        """
        if version < self.forgotten:
            return None
        log = self._by_resource.get(resource)
        return log.after(version) if log else []

    def all_changes_after(self, version: int) -> list[StoredChange] | None:
        """Return the changes of all resources that are newer than a version, or None."""
        if version < self.forgotten:
            return None
        found = list(takewhile(lambda change: change.version > version, reversed(self._all)))
        return found[::-1]

    def subscribe(self, resource: str, wake: asyncio.Event) -> None:
        """Set `wake` at every change of a resource, until `unsubscribe`."""
        self._waiting.setdefault(resource, set()).add(wake)

    def unsubscribe(self, resource: str, wake: asyncio.Event) -> None:
        """Stop setting `wake`."""
        self._waiting.get(resource, set()).discard(wake)
