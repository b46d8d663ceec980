"""The brake on wipes: how many devices may be told within an hour to wipe themselves.

A mistake (`kubectl delete edgedevice --all`, a wrong inventory) then costs a few devices; the
others wait for an administrator's word (docs/reference/control-plane.md#the-brake-on-wipes).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from flotta.fleet.tombstones import TOMBSTONE_SELECTOR, Tombstone, Wipe, read_tombstone
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP

WINDOW = timedelta(hours=1)
LEAST = 10  # devices that may be wiped within WINDOW however small the fleet is
PART_OF_FLEET = 0.01  # that may be wiped within WINDOW


def allowed_wipes(fleet: int) -> int:
    """Return how many unconfirmed wipes WINDOW allows in a fleet of this many devices."""
    return max(LEAST, int(fleet * PART_OF_FLEET))


class Brake:
    """Decides whether an unconfirmed wipe is granted or held; for the one leading operator.

    The tombstones say what was granted before, so a restart or another leader forgets nothing. From
    then on `clock` counts, in seconds, because a step of the wall clock must not end the hour.
    """

    def __init__(
        self, client: Client, namespace: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock
        self._granted: dict[str, float] | None = None  # when, by UID; None: not read yet
        self._lock = asyncio.Lock()

    async def decide(self, uid: str, fleet: int, now: datetime) -> Wipe:
        """Return what the tombstone of a device is to say; the same UID is counted once.

        Raises ApiError when the tombstones cannot be read.
        """
        async with self._lock:
            if self._granted is None:
                self._granted = await self._read_granted(now)
            started = self._clock() - WINDOW.total_seconds()
            recent = {key: at for key, at in self._granted.items() if at > started}
            self._granted = recent
            if uid in recent:
                return "granted"
            if len(recent) >= allowed_wipes(fleet):
                return "held"
            recent[uid] = self._clock()
            return "granted"

    async def _read_granted(self, now: datetime) -> dict[str, float]:
        found = await self._client.list(
            CONFIG_MAP, self._namespace, label_selector=TOMBSTONE_SELECTOR
        )
        tombstones = (read_tombstone(config_map) for config_map in found)
        return {
            tombstone.uid: self._clock() - max(0.0, (now - moment).total_seconds())
            for tombstone in tombstones
            if tombstone is not None
            and _is_counted(tombstone)
            and (moment := tombstone.moment) is not None
        }


def _is_counted(tombstone: Tombstone) -> bool:
    return tombstone.granted and not tombstone.confirmed
