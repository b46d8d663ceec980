"""Watch streams, served from the watch cache.

Rules: docs/reference/resource-api.md#watches-and-the-resume-window.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from flotta.apiserver.errors import describe_mismatch, forbidden_value, internal, invalid_options
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.lists import Selection
from flotta.apiserver.objects.options import parse_integer, parse_version
from flotta.apiserver.storage.store import Store
from flotta.apiserver.storage.watch_cache import ObjectRecord, StoredChange

BOOKMARK_SECONDS = 60.0  # without an event, after which a bookmark (KEP-956) has the version
# Seconds that a watch without timeoutSeconds lasts. Kubernetes ends it at a random moment between
# --min-request-timeout (1800) and twice that, so that not all clients reconnect at once.
MIN_LIFE, MAX_LIFE = 1800.0, 3600.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchOptions:
    """How a watch starts and ends. `version` None: start with the existing objects."""

    version: int | None
    bookmarks: bool
    initial: bool
    seconds: float


@dataclass(frozen=True)
class WatchEvent:
    """An event: with a record (ADDED, MODIFIED, DELETED) or an object (BOOKMARK, ERROR, …)."""

    type: str
    record: ObjectRecord | None = None
    obj: JsonObject | None = None


def watch_version(query: Mapping[str, str]) -> int | None:
    """Return the resourceVersion of a watch or of a GET of one object; None when absent."""
    text = query.get("resourceVersion", "")
    version = parse_version(text)
    if text and version is None:
        # For a list the same mistake is a 400: Kubernetes parses its version elsewhere.
        raise internal(describe_mismatch("resourceVersion", text, "a whole number"))
    return version


def parse_watch(query: Mapping[str, str]) -> WatchOptions:
    """Read the parameters of a watch."""
    streaming = _wants_initial_events(query)
    version = None if streaming else watch_version(query)
    lifetime = random.uniform(MIN_LIFE, MAX_LIFE)  # noqa: S311 - spreads load
    seconds = parse_integer(query, "timeoutSeconds") or lifetime
    bookmarks = query.get("allowWatchBookmarks", "") not in ("", "0", "false", "False")
    # Version "0" means any version: the watch starts with the existing objects.
    initial = streaming or not version
    return WatchOptions(version or None, bookmarks, initial, seconds)


def _wants_initial_events(query: Mapping[str, str]) -> bool:
    """Tell whether a streaming list (KEP-3157) is requested; refuse contradictions."""
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" not in query:
        if match:
            text = (
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
            raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", text))
        return False
    if match != "NotOlderThan":
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", text))
    return query["sendInitialEvents"] not in ("0", "false", "False")


class Watch:
    """A running watch."""

    def __init__(self, store: Store, selection: Selection, options: WatchOptions) -> None:
        self._store = store
        self._selection = selection
        self._options = options
        self._wake = asyncio.Event()
        self._end = time.monotonic() + options.seconds
        self._stopping = False
        self._at = options.version if options.version is not None else store.version

    def stop(self) -> None:
        """End the stream soon; the client can resume later."""
        self._stopping = True
        self._wake.set()

    async def events(self) -> AsyncIterator[list[WatchEvent]]:
        """Yield batches of events until the watch's time is over; the first one may be empty."""
        resource = self._selection.resource.qualified
        self._store.watch_cache.subscribe(resource, self._wake)
        try:
            yield self._initial_events()
            while not self._stopping:
                batch = await self._next_events()
                if batch:
                    yield batch
                if self._stopping or time.monotonic() >= self._end:
                    break
            if self._options.bookmarks and not self._stopping:
                yield [self._make_bookmark()]
        finally:
            self._store.watch_cache.unsubscribe(resource, self._wake)

    def _initial_events(self) -> list[WatchEvent]:
        if not self._options.initial:
            return []
        selection = self._selection
        records = self._store.list_records(selection.resource.qualified, selection.namespace)
        self._at = self._store.version
        events = [WatchEvent("ADDED", record) for record in records if selection.matches(record)]
        return [*events, self._make_bookmark(initial=True)] if self._options.bookmarks else events

    async def _next_events(self) -> list[WatchEvent]:
        """Return the next events, a bookmark after a time without events, or nothing at the end."""
        self._wake.clear()
        changes = self._store.watch_cache.next_changes(self._selection.resource.qualified, self._at)
        if changes is None:
            self._stopping = True
            return [self._too_old_event()]
        if changes:
            self._at = changes[-1].version
            return [event for change in changes if (event := self._make_event(change))]
        self._at = max(self._at, self._store.version)
        left = self._end - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(left, BOOKMARK_SECONDS))):
                await self._wake.wait()
        except TimeoutError:
            return (
                [self._make_bookmark()]
                if self._options.bookmarks and left > BOOKMARK_SECONDS
                else []
            )
        return []

    def _make_event(self, change: StoredChange) -> WatchEvent | None:
        """Return the event for this watch: entering its selection is ADDED, leaving it DELETED."""
        selection, previous = self._selection, change.previous
        was = previous is not None and change.type != "ADDED" and selection.matches(previous)
        if change.type == "DELETED":
            return WatchEvent("DELETED", change.record) if was else None
        if selection.matches(change.record):
            return WatchEvent("MODIFIED" if was else "ADDED", change.record)
        if was and previous is not None:
            return WatchEvent("DELETED", obj=_with_version(previous, change.version))
        return None

    def _make_bookmark(self, *, initial: bool = False) -> WatchEvent:
        resource = self._selection.resource
        meta: JsonObject = {"resourceVersion": str(self._at)}
        if initial:
            meta = {"annotations": {INITIAL_EVENTS_END: "true"}, **meta}
        body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        return WatchEvent("BOOKMARK", obj=body)

    def _too_old_event(self) -> WatchEvent:
        oldest = self._store.watch_cache.forgotten
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f"too old resource version: {self._at} ({oldest})",
            "reason": "Expired",
            "code": 410,
        }
        return WatchEvent("ERROR", obj=status)


def _with_version(record: ObjectRecord, version: int) -> JsonObject:
    """Return the state of an object with the version at which it left the selection."""
    obj = record.load()
    obj["metadata"]["resourceVersion"] = str(version)
    return obj
