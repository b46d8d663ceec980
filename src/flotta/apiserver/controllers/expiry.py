"""Expiry of Events after an hour, as by default in Kubernetes (`--event-ttl`).

Without it every problem of a heartbeat would stay forever.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from flotta.apiserver.controllers.feed import delete_unless_gone
from flotta.apiserver.errors import StatusError
from flotta.apiserver.json_object import JsonObject, value_at
from flotta.apiserver.objects.writes import Objects
from flotta.apiserver.storage.store import StorageFailure
from flotta.rfc3339 import parse_time

log = logging.getLogger(__name__)

LIFE = timedelta(hours=1)
PERIOD_SECONDS = 60.0  # between two checks


class EventExpiry:
    """Removes Events that did not occur again for an hour."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def run(self) -> None:
        """Remove old Events every minute until cancelled."""
        while True:
            try:
                await self._remove_old_events(datetime.now(UTC) - LIFE)
            except (StorageFailure, StatusError):
                log.exception("Old Events could not be removed")
            await asyncio.sleep(PERIOD_SECONDS)

    async def _remove_old_events(self, limit: datetime) -> None:
        for record in self._objects.store.list_records("events", None):
            if last_seen(record.load()) < limit:
                await delete_unless_gone(self._objects, record.key)


def last_seen(event: JsonObject) -> datetime:
    """Return when an Event last occurred: the newest of its times."""
    times = (
        event["metadata"]["creationTimestamp"],
        event.get("lastTimestamp"),
        event.get("eventTime"),
        value_at(event, "series", "lastObservedTime"),
    )
    return max(moment for time in times if time and (moment := parse_time(time)))
