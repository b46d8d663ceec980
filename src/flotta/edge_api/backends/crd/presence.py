"""When each device was last heard from: in memory, written in coalesced batches.

See docs/reference/control-plane.md#presence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.statuses import StatusChange, Statuses
from flotta.fleet import presence
from flotta.resources.client import ApiError, NotFound
from flotta.resources.kinds import EDGE_DEVICE_SET, MEMBER_LABEL
from flotta.resources.objects.devices import DeviceCertificate, EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import Key, key_of, labels_of, name_of, namespace_of, spec_of, status_of

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
        fell_silent: Callable[[EdgeDevice], Awaitable[None]],
    ) -> None:
        self._caches = caches
        self._statuses = statuses
        self._least = least_seconds
        self._fell_silent = fell_silent
        self._heard: dict[Key, datetime] = {}
        self._certificates: dict[Key, DeviceCertificate] = {}
        self._started = datetime.now(UTC)

    def record_heartbeat(self, key: Key, now: datetime, certificate: DeviceCertificate) -> None:
        """Remember a heartbeat and the certificate it came with; they are written when due."""
        self._certificates[key] = certificate
        self._heard[key] = now.replace(microsecond=0)  # lastSeenTime has whole seconds

    def forget(self, key: Key) -> None:
        """Drop a deleted device."""
        self._heard.pop(key, None)
        self._certificates.pop(key, None)

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
        due: list[tuple[EdgeDevice, StatusChange]] = []
        for device in self._caches.devices.list():
            try:
                change = self._due_change(device, now)
            except Exception as error:  # one unreadable object must not stop the others
                log.warning("The presence of %s cannot be judged: %r", name_of(device), error)
                continue
            if change is not None:
                due.append((device, change))
        await self._write(due)

    def _due_change(self, device: EdgeDevice, now: datetime) -> StatusChange | None:
        status = status_of(device)
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

    def _heard_change(self, device: EdgeDevice) -> StatusChange:
        key = key_of(device)
        moment, certificate = self._heard[key], self._certificates[key]
        return lambda newest: _heard_at(newest, moment, certificate)

    def _silent_change(self, device: EdgeDevice, now: datetime) -> StatusChange:
        key, seen = key_of(device), presence.last_seen(status_of(device)) or now

        def change(newest: EdgeDevice) -> EdgeDeviceStatus:
            status = status_of(newest)
            latest = max(self._heard.get(key, seen), presence.last_seen(status) or seen)
            if latest > seen:
                return status
            return presence.mark_silent(status, seen, now, newest["metadata"].get("generation"))

        return change

    async def _write(self, due: list[tuple[EdgeDevice, StatusChange]]) -> None:
        turns = asyncio.Semaphore(CONCURRENT_WRITES)

        async def write(device: EdgeDevice, change: StatusChange) -> None:
            async with turns:
                try:
                    written = await self._statuses.update(key_of(device), change)
                    if written and presence.ready_status(written.new) == "Unknown":
                        await self._fell_silent(written.device)
                except NotFound:
                    self.forget(key_of(device))
                except ApiError as error:
                    log.warning(
                        "The presence of %s could not be written: %s", name_of(device), error
                    )

        await asyncio.gather(*(write(device, change) for device, change in due))

    def _period(self, device: EdgeDevice) -> float:
        member = labels_of(device).get(MEMBER_LABEL)
        device_set = (
            self._caches.lookup(EDGE_DEVICE_SET, namespace_of(device), member) if member else None
        )
        return presence.heartbeat_period(device, spec_of(device_set) if device_set else None)


def _heard_at(
    device: EdgeDevice, moment: datetime, certificate: DeviceCertificate
) -> EdgeDeviceStatus:
    """Return the status of a device heard from at `moment`, unless a replica wrote a later time."""
    old = status_of(device)
    new = presence.mark_heard(old, moment, device["metadata"].get("generation"))
    # Both are in UTC and in whole seconds, so they compare as strings.
    if old.get("lastSeenTime", "") > new["lastSeenTime"]:
        return old
    return {**new, "certificate": certificate}
