"""The brake on wipes: how many devices may remove everything because the store says so.

A store whose database is damaged, or whose administrator errs, could say of a whole fleet that it
is unregistered (docs/reference/configuration-api.md#the-brake-on-wipes).
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from flotta.edge_api.backends.remote.client import DeviceName
from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.store import WIPES_HELD

WINDOW = 3600.0  # seconds in which so many devices are granted it
REMEMBERED = 100_000  # devices that are held, for their number
WARNING_INTERVAL = 60.0  # seconds between two lines about devices that are held
log = logging.getLogger(__name__)


class Leaver(NamedTuple):
    """A device that is to go: another one of its name later has another UID."""

    name: DeviceName
    uid: str


class WipeBrake:
    """Grants a number of different devices an hour that they remove everything."""

    def __init__(self, per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._granted: OrderedDict[Leaver, float] = OrderedDict()  # with the time of it
        self._held: OrderedDict[Leaver, float] = OrderedDict()  # with when it asked last
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)

    @property
    def held(self) -> int:
        """How many devices are to go and were not granted it in the last hour."""
        self._forget_old()
        return len(self._held)

    def has_granted(self, leaver: Leaver) -> bool:
        """Tell whether a device was granted it in the last hour."""
        self._forget_old()
        return leaver in self._granted

    def grant(self, leaver: Leaver) -> bool:
        """Tell whether a device may remove everything, and count it if it may."""
        if self.has_granted(leaver):
            return True
        if len(self._granted) < self._per_hour:
            self._granted[leaver] = self._clock()
            self._held.pop(leaver, None)
            log.warning(
                "The data store says that %s/%s is unregistered: it is told to remove everything "
                "(%d of %d in this hour)",
                *leaver.name,
                len(self._granted),
                self._per_hour,
            )
            return True
        self._hold(leaver)
        return False

    def release(self, leaver: Leaver) -> None:
        """Forget that a device was held: it is not to go any more."""
        self._held.pop(leaver, None)

    def _hold(self, leaver: Leaver) -> None:
        self._held[leaver] = self._clock()
        self._held.move_to_end(leaver)
        if len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
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
        for times in (self._granted, self._held):
            while times and next(iter(times.values())) <= end:
                times.popitem(last=False)
