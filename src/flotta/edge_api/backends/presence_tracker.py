"""Who was heard when, in memory, written in coalesced batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from flotta.edge_api.backends.caches import Caches
from flotta.edge_api.backends.statuses import StatusChange, Statuses
from flotta.fleet import presence
from flotta.resources.client import ApiError, NotFound
from flotta.resources.kinds import EDGE_DEVICE_SET, MEMBER_LABEL
from flotta.resources.views import Key, key_of

Object = dict[str, Any]
CHECK_INTERVAL = 2.0  # seconds between two checks of all devices
CONCURRENT_WRITES = 8  # requests
log = logging.getLogger(__name__)


class PresenceTracker:
    """Keeps `lastSeenTime` and condition Ready of every device that ever sent a heartbeat."""

    def __init__(
        self,
        caches: Caches,
        statuses: Statuses,
        least_seconds: float,
        fell_silent: Callable[[Object], Awaitable[None]],
    ) -> None:
        self._caches = caches
        self._statuses = statuses
        self._least = least_seconds
        self._fell_silent = fell_silent
        self._heard: dict[Key, datetime] = {}
        self._started = datetime.now(UTC)

    def record_heartbeat(self, key: Key, now: datetime) -> None:
        """Remember a heartbeat; it is written when it is due."""
        self._heard[key] = now.replace(microsecond=0)  # lastSeenTime has whole seconds

    def forget(self, key: Key) -> None:
        """Drop a deleted device."""
        self._heard.pop(key, None)

    async def run(self) -> None:
        """Write what is due until cancelled."""
        await self._caches.wait_synced()
        self._started = datetime.now(UTC)
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            await self._write_due(datetime.now(UTC))

    async def flush(self) -> None:
        """Write every unwritten time (the server stops)."""
        devices = [self._statuses.newest_device(key) for key in self._heard]
        await self._write([(device, self._heard_change(device)) for device in devices if device])

    async def _write_due(self, now: datetime) -> None:
        due = []
        for device in self._caches.devices.list():
            try:
                change = self._due_change(device, now)
            except Exception as error:  # a device of an odd shape stands in nobody's way
                log.warning("presence of %s: %r", device["metadata"]["name"], error)
                continue
            if change is not None:
                due.append((device, change))
        await self._write(due)

    def _due_change(self, device: Object, now: datetime) -> StatusChange | None:
        status = device.get("status") or {}
        state, written = presence.ready_status(status), presence.last_seen(status)
        heard, period = self._heard.get(key_of(device)), self._period(device)
        if state is None or written is None:
            return None  # its first heartbeat writes at once
        if heard is not None and heard > written:
            old = now - written >= presence.write_interval(period, self._least)
            return self._heard_change(device) if old or state == "Unknown" else None
        written = max(written, self._started)
        if state != "Unknown" and presence.is_silent(heard, written, now, period, self._least):
            return self._silent_change(device, now)
        return None

    def _heard_change(self, device: Object) -> StatusChange:
        moment = self._heard[key_of(device)]
        return lambda newest: _heard_at(newest, moment)

    def _silent_change(self, device: Object, now: datetime) -> StatusChange:
        key, seen = key_of(device), presence.last_seen(device["status"]) or now

        def change(newest: Object) -> Object:
            status: Object = newest.get("status") or {}
            latest = max(self._heard.get(key, seen), presence.last_seen(status) or seen)
            if latest > seen:
                return status
            return presence.mark_silent(status, seen, now, newest["metadata"].get("generation"))

        return change

    async def _write(self, due: list[tuple[Object, StatusChange]]) -> None:
        turns = asyncio.Semaphore(CONCURRENT_WRITES)

        async def write(device: Object, change: StatusChange) -> None:
            async with turns:
                try:
                    written = await self._statuses.update(key_of(device), change)
                    if written and presence.ready_status(written.new) == "Unknown":
                        await self._fell_silent(written.device)
                except NotFound:
                    self.forget(key_of(device))
                except ApiError as error:
                    log.warning("presence of %s: %s", device["metadata"]["name"], error)

        await asyncio.gather(*(write(device, change) for device, change in due))

    def _period(self, device: Object) -> float:
        metadata = device["metadata"]
        member = (metadata.get("labels") or {}).get(MEMBER_LABEL)
        device_set = (
            self._caches.lookup(EDGE_DEVICE_SET, metadata["namespace"], member) if member else None
        )
        return presence.heartbeat_period(
            device, (device_set.get("spec") or {}) if device_set else None
        )


def _heard_at(device: Object, moment: datetime) -> Object:
    """Return the status of a device heard at `moment`, unless another replica wrote later."""
    old: Object = device.get("status") or {}
    new = presence.mark_heard(old, moment, device["metadata"].get("generation"))
    return old if old.get("lastSeenTime", "") > new["lastSeenTime"] else new
