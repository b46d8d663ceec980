"""The brake on wipes: how many devices may remove everything because the store says so.

A store whose database is damaged, or whose administrator errs, could say of a whole fleet that it
is unregistered (docs/reference/configuration-api.md#the-brake-on-wipes).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.backends.remote.grants import WINDOW, Grants, GrantsUnusable, Leaver
from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.store import WIPES_HELD

REMEMBERED = 100_000  # devices that are held, for their number
WARNING_INTERVAL = 60.0  # seconds between two lines about devices that are held
PAUSE = 5.0  # seconds until a record that could not be used is tried again
log = logging.getLogger(__name__)


class WipeBrake:
    """Grants a number of different devices an hour that they remove everything.

    Nobody is granted it who is not in the record, so a restart forgets nothing.
    """

    def __init__(
        self, per_hour: int, grants: Grants, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_hour = per_hour
        self._grants = grants
        self._clock = clock
        self._lock = asyncio.Lock()
        self._next_try = 0.0
        self._held: OrderedDict[Leaver, float] = OrderedDict()  # with when it asked last
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)
        self._failures = LimitedLog(log, 1, WARNING_INTERVAL)

    @property
    def held(self) -> int:
        """How many devices are to go and were not granted it in the last hour."""
        self._forget_old()
        return len(self._held)

    async def grant(self, leaver: Leaver) -> bool:
        """Tell whether a device may remove everything, and count it if it may."""
        if self._per_hour and self._grants.is_recent(leaver):
            return True
        self._forget_old()
        if self._has_room(leaver):
            async with self._lock:
                if await self._record(leaver):
                    self._held.pop(leaver, None)
                    return True
        self._hold(leaver)
        return False

    def release(self, leaver: Leaver) -> None:
        """Forget that a device was held: it is not to go any more."""
        self._held.pop(leaver, None)

    def _has_room(self, leaver: Leaver) -> bool:
        """Tell whether one more may be granted it; who was before, comes after all others."""
        room = self._per_hour - self._grants.recent
        if room > 0 and self._grants.is_known(leaver):
            others = (one for one in self._held if not self._grants.is_known(one))
            room -= sum(1 for _ in islice(others, room))
        return room > 0

    async def _record(self, leaver: Leaver) -> bool:
        if self._grants.is_recent(leaver):  # it asked twice at once
            return True
        if self._clock() < self._next_try or not self._has_room(leaver):
            return False
        try:
            is_granted = await self._grants.add(leaver, lambda: self._has_room(leaver))
        except (BackendError, GrantsUnusable) as error:
            self._next_try = self._clock() + PAUSE
            self._failures.log(
                logging.WARNING,
                "The data store says of devices that they are unregistered, and whom the Edge API "
                "allows to remove everything cannot be recorded, so nobody more is allowed to: %s "
                "[%s]",
                error,
                WIPES_HELD,
            )
            return False
        if is_granted:
            log.warning(
                "The data store says that %s/%s is unregistered: it may remove everything (%d of "
                "%d in this hour)",
                *leaver.name,
                self._grants.recent,
                self._per_hour,
            )
        return is_granted

    def _hold(self, leaver: Leaver) -> None:
        self._held[leaver] = self._clock()
        self._held.move_to_end(leaver)
        if len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
        if self._has_room(leaver):  # the record is the obstacle, and was told about
            return
        self._warnings.log(
            logging.WARNING,
            "The data store says of more devices that they are unregistered than the %d that may "
            "remove everything in an hour; %d wait and keep running, the last of them %s/%s. If it "
            "is meant, raise REMOTE_BACKEND_WIPES_PER_HOUR; else correct the store [%s]",
            self._per_hour,
            len(self._held),
            *leaver.name,
            WIPES_HELD,
        )

    def _forget_old(self) -> None:
        end = self._clock() - WINDOW
        while self._held and next(iter(self._held.values())) <= end:
            self._held.popitem(last=False)
