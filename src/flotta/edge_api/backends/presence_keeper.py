"""Who was heard when, in memory, written in coalesced batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from flotta.fleet import presence
from flotta.resources.client import ApiError, NotFound
from flotta.resources.kinds import EDGE_DEVICE_SET, MEMBER_LABEL

from .configurations import key_of
from .fleet_cache import FleetCache
from .statuses import Statuses
from .wakeups import Key

Object = dict[str, Any]
TICK = 2.0  # seconds between two looks at all devices
CONCURRENT_WRITES = 8
log = logging.getLogger(__name__)


class PresenceKeeper:
    """Keeps `lastSeenTime` and condition Ready of every device that ever sent a heartbeat."""

    def __init__(
        self,
        fleet: FleetCache,
        statuses: Statuses,
        least_seconds: float,
        fell_silent: Callable[[Object], Awaitable[None]],
    ) -> None:
        self._fleet = fleet
        self._statuses = statuses
        self._least = least_seconds
        self._fell_silent = fell_silent
        self._heard: dict[Key, datetime] = {}
        self._started = datetime.now(UTC)

    def heard(self, key: Key, now: datetime) -> None:
        """Remember a heartbeat; it is written when it is due."""
        self._heard[key] = now.replace(microsecond=0)  # lastSeenTime has whole seconds

    def forget(self, key: Key) -> None:
        """Drop a deleted device."""
        self._heard.pop(key, None)

    async def run(self) -> None:
        """Write what is due until cancelled."""
        await self._fleet.wait_synced()
        self._started = datetime.now(UTC)
        while True:
            await asyncio.sleep(TICK)
            await self._write_due(datetime.now(UTC))

    async def flush(self) -> None:
        """Write every unwritten time (the server stops)."""
        devices = [self._statuses.device(key) for key in self._heard]
        await self._write([(one, self._is_heard(one)) for one in devices if one is not None])

    async def _write_due(self, now: datetime) -> None:
        due = []
        for device in self._fleet.devices.list():
            try:
                change = self._due(device, now)
            except Exception as error:  # a device of an odd shape stands in nobody's way
                log.warning("presence of %s: %r", device["metadata"]["name"], error)
                continue
            if change is not None:
                due.append((device, change))
        await self._write(due)

    def _due(self, device: Object, now: datetime) -> Callable[[Object], Object] | None:
        status = device.get("status") or {}
        state, written = presence.ready(status), presence.last_seen(status)
        heard, period = self._heard.get(key_of(device)), self._period(device)
        if state is None or written is None:
            return None  # its first heartbeat writes at once
        if heard is not None and heard > written:
            old = now - written >= presence.write_interval(period, self._least)
            return self._is_heard(device) if old or state == "Unknown" else None
        written = max(written, self._started)
        if state != "Unknown" and presence.is_silent(heard, written, now, period, self._least):
            return self._is_silent(device, now)
        return None

    def _is_heard(self, device: Object) -> Callable[[Object], Object]:
        moment = self._heard[key_of(device)]
        return lambda newest: _heard_at(newest, moment)

    def _is_silent(self, device: Object, now: datetime) -> Callable[[Object], Object]:
        key, seen = key_of(device), presence.last_seen(device["status"]) or now

        def change(newest: Object) -> Object:
            status: Object = newest.get("status") or {}
            latest = max(self._heard.get(key, seen), presence.last_seen(status) or seen)
            if latest > seen:
                return status
            return presence.silent(status, seen, now, newest["metadata"].get("generation"))

        return change

    async def _write(self, due: list[tuple[Object, Callable[[Object], Object]]]) -> None:
        turns = asyncio.Semaphore(CONCURRENT_WRITES)

        async def write(device: Object, change: Callable[[Object], Object]) -> None:
            async with turns:
                try:
                    written = await self._statuses.update(key_of(device), change)
                    if written and presence.ready(written.new) == "Unknown":
                        await self._fell_silent(written.device)
                except NotFound:
                    self.forget(key_of(device))
                except ApiError as error:
                    log.warning("presence of %s: %s", device["metadata"]["name"], error)

        await asyncio.gather(*(write(*one) for one in due))

    def _period(self, device: Object) -> float:
        metadata = device["metadata"]
        member = (metadata.get("labels") or {}).get(MEMBER_LABEL)
        found = (
            self._fleet.lookup(EDGE_DEVICE_SET, metadata["namespace"], member) if member else None
        )
        return presence.period_of(device, (found.get("spec") or {}) if found else None)


def _heard_at(device: Object, moment: datetime) -> Object:
    """Return the status of a device heard at `moment`, unless another replica wrote a later time."""
    old: Object = device.get("status") or {}
    new = presence.heard(old, moment, device["metadata"].get("generation"))
    return old if old.get("lastSeenTime", "") > new["lastSeenTime"] else new
