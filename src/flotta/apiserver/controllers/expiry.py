"""Expiry of Events after an hour, as by default in Kubernetes (`--event-ttl`).

Without it every problem of a heartbeat would stay forever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from flotta.apiserver.controllers.feed import delete_unless_gone
from flotta.apiserver.errors import StatusError
from flotta.apiserver.json_object import JsonObject, value_at
from flotta.apiserver.objects.writes import Objects
from flotta.apiserver.storage.store import StorageFailure
from flotta.apiserver.storage.watch_cache import ObjectKey, ObjectRecord
from flotta.rfc3339 import parse_time

log = logging.getLogger(__name__)

LIFE = timedelta(hours=1)
PERIOD_SECONDS = 60.0  # between two checks


class _Due(NamedTuple):
    """When the state of an Event is removed, by the monotonic clock."""

    version: int
    at: float


class EventExpiry:
    """Removes Events that did not occur again for an hour.

    What was stored before the start is as old as the clock says. From then on time is measured by
    the monotonic clock: setting the other one neither removes Events nor keeps them.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._due: dict[ObjectKey, _Due] = {}

    async def run(self) -> None:
        """Remove old Events every minute until cancelled."""
        now = datetime.now(UTC)
        self._note_events(lambda record: _remaining_life(record, now))
        while True:
            try:
                await self._remove_old_events()
            except (StorageFailure, StatusError):
                log.exception("Old Events could not be removed")
            await asyncio.sleep(PERIOD_SECONDS)
            self._note_events(lambda _: LIFE.total_seconds())

    def _note_events(self, life: Callable[[ObjectRecord], float]) -> None:
        """Note when each Event is due; `life` is how many seconds a new state of one has."""
        known, now = self._due, time.monotonic()
        self._due = {}
        for record in self._objects.store.list_records("events", None):
            due = known.get(record.key)
            if due is None or due.version != record.version:
                due = _Due(record.version, now + life(record))
            self._due[record.key] = due

    async def _remove_old_events(self) -> None:
        now = time.monotonic()
        for key, due in self._due.items():
            if due.at <= now:
                await delete_unless_gone(self._objects, key)


def _remaining_life(record: ObjectRecord, now: datetime) -> float:
    age = max(timedelta(), now - last_seen(record.load()))
    return max(timedelta(), LIFE - age).total_seconds()


def last_seen(event: JsonObject) -> datetime:
    """Return when an Event last occurred: the newest of its times."""
    times = (
        event["metadata"]["creationTimestamp"],
        event.get("lastTimestamp"),
        event.get("eventTime"),
        value_at(event, "series", "lastObservedTime"),
    )
    return max(moment for time in times if time and (moment := parse_time(time)))
