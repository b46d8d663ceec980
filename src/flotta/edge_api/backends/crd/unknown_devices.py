"""Records which devices this control plane does not know, and which of them it knows again.

Strangers cannot fill the store with it: a record needs a device certificate of the fleet's CA, and
the number of records and their rate are bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flotta.fleet.unknown_devices import UnknownDevice, make_record, read_record
from flotta.identity.holder import Peer
from flotta.resources.cache import Cache
from flotta.resources.client import AlreadyExists, ApiError, Client, NotFound
from flotta.resources.kinds import CONFIG_MAP
from flotta.resources.objects.core import ConfigMap
from flotta.resources.views import name_of, namespace_of
from flotta.rfc3339 import format_time, parse_time
from flotta.token_bucket import TokenBucket

MAX_RECORDS = 10_000  # devices that are recorded at a time
MAX_PENDING = 1_000  # records that wait for being written; more are noted at their next poll
WRITE_RATE, WRITE_BURST = 5.0, 50.0  # writes a second, and at once
UPDATE_INTERVAL = timedelta(hours=1)  # until the time in a record is written again
log = logging.getLogger(__name__)


class UnknownDevices:
    """Keeps the records; they are written by `run`, so that no request waits for them."""

    def __init__(
        self,
        client: Client,
        config_maps: Cache[ConfigMap],
        namespace: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._now = now
        self._known: dict[str, UnknownDevice] = {}  # by the name of the record
        self._pending: dict[str, UnknownDevice | None] = {}  # None: the record is to be removed
        self._wanted = asyncio.Event()
        self._bucket = TokenBucket(WRITE_RATE, WRITE_BURST)
        config_maps.subscribe(self._follow)

    def note(self, peer: Peer) -> None:
        """Record that this control plane does not know a device."""
        device = UnknownDevice.of(peer, self._now())
        known = self._known.get(device.record_name)
        if not device.is_recordable or (known and not self._is_outdated(known)):
            return
        if known is None and len(self._known) >= MAX_RECORDS:
            log.debug("Unknown devices are not recorded any more: there are %d", MAX_RECORDS)
            return
        self._enqueue(device.record_name, device)

    def forget(self, peer: Peer) -> None:
        """Remove the record of a device that is known, or that has a tombstone."""
        name = UnknownDevice.of(peer, self._now()).record_name
        if name in self._known:
            self._enqueue(name, None)

    async def run(self) -> None:
        """Write what is noted until cancelled; what cannot be written is noted again later."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._pending:
                await asyncio.sleep(self._bucket.wait_time())
                self._bucket.take()
                name = next(iter(self._pending))
                await self._write(name, self._pending.pop(name))

    def _is_outdated(self, known: UnknownDevice) -> bool:
        try:
            written = parse_time(known.last_seen)
        except ValueError:
            return True
        return written is None or self._now() - written >= UPDATE_INTERVAL

    def _enqueue(self, name: str, device: UnknownDevice | None) -> None:
        if name in self._pending or len(self._pending) < MAX_PENDING:
            self._pending[name] = device
            self._wanted.set()

    async def _write(self, name: str, device: UnknownDevice | None) -> None:
        try:
            if device is None:
                with suppress(NotFound):
                    await self._client.delete(CONFIG_MAP, name, self._namespace)
            elif name in self._known:
                await self._update(name, device)
            else:
                await self._create(device)
        except ApiError as error:
            log.warning("The record of an unknown device could not be written: %s", error)

    async def _create(self, device: UnknownDevice) -> None:
        with suppress(AlreadyExists):  # by another replica
            await self._client.create(CONFIG_MAP, make_record(device, self._namespace))
            log.warning(
                "%s/%s is unknown to this control plane and keeps running; if it belongs to the "
                "fleet: flotta adopt %s -n %s",
                *(device.namespace, device.name, device.name, device.namespace),
            )

    async def _update(self, name: str, device: UnknownDevice) -> None:
        known = self._known.get(name)
        first = known.first_seen if known else device.first_seen
        newer = replace(device, first_seen=first, last_seen=format_time(self._now()))
        patch = {"data": make_record(newer, self._namespace).get("data")}
        with suppress(NotFound):
            await self._client.merge_patch(CONFIG_MAP, name, self._namespace, patch)

    def _follow(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        config_map = new or old
        if config_map is None or namespace_of(config_map) != self._namespace:
            return
        record = read_record(new) if new is not None else None
        if record is None:
            self._known.pop(name_of(config_map), None)
        else:
            self._known[name_of(config_map)] = record
