"""What the store said last about each device, in bounded memory.

It serves three ends: what was read a moment ago, or has not changed since according to the feed of
changes, is not asked for again; a configuration that did not change is not transferred again; and
while the store cannot be used, devices get what was known good.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flotta.edge_api.backends.backend import Configuration
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.protocol.configuration_api import RegistrationStatus, Status

T = TypeVar("T")
MEMORY = 128 * 1024 * 1024  # bytes of everything that is known
ENTRY = 2048  # bytes that count for a device besides its configuration
# Seconds for which it counts as current without a feed: until woken requests have checked again.
FRESH = 0.2
# Seconds for which it does while the feed says that nothing changed: a defect of a feed passes.
UNCHANGED = 300.0


@dataclass(frozen=True)
class Reading(Generic[T]):
    """Something that was read.

    `mark` is the count of changes when the reading began: a change meanwhile is noticed.
    """

    value: T
    at: float  # seconds of the clock
    mark: int


@dataclass(frozen=True)
class Delivered:
    """A configuration as devices get it, and the entity tag that the store gave it, if any."""

    configuration: Configuration
    etag: str = ""


@dataclass(eq=False)
class Known:
    """What is known of one device."""

    name: DeviceName
    status: Reading[RegistrationStatus] | None = None
    delivered: Reading[Delivered] | None = None
    uid: str = ""  # that the store gave last, for the wish that this device goes to be compared
    changed: int = 0  # the count of changes when this device changed last
    is_kept: bool = True  # until it is forgotten

    @property
    def size(self) -> int:
        """The bytes that count for it."""
        return ENTRY + (len(self.delivered.value.configuration.content) if self.delivered else 0)

    @property
    def mark(self) -> int:
        """The count of changes up to which all of it was read."""
        return min(
            (reading.mark for reading in (self.status, self.delivered) if reading), default=0
        )


class Knowledge:
    """What is known, by device; the device that was asked about longest ago is forgotten first.

    `differs` is called with a device of which something else was read than before.
    """

    def __init__(
        self,
        differs: Callable[[DeviceName], None],
        limit: int = MEMORY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._differs = differs
        self._limit = limit
        self._clock = clock
        self._known: OrderedDict[DeviceName, Known] = OrderedDict()
        self._changes = 0
        self._all_changed = 0
        self.size = 0  # bytes that count for everything that is known
        self.has_feed = False  # whether changes are told as they come

    def __len__(self) -> int:
        """Return of how many devices something is known."""
        return len(self._known)

    def of(self, name: DeviceName) -> Known:
        """Return what is known of a device, to be filled by `keep_status` and `keep_delivered`."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = Known(name)
            self.size += known.size
            self._shrink()
        self._known.move_to_end(name)
        return known

    @property
    def mark(self) -> int:
        """The count of changes, which a reading keeps from when it begins."""
        return self._changes

    def keep_status(self, known: Known, status: RegistrationStatus, mark: int) -> None:
        """Keep a status that was read just now.

        A configuration goes when the device that it is of has: another one may get its name.
        """
        before = known.status
        known.status = Reading(status, self._clock(), mark)
        if status.uid and (status.status == Status.REGISTERED.value or not known.uid):
            known.uid = status.uid
        if status.status != Status.REGISTERED.value or _is_another(before, status):
            self.forget_delivered(known)
        if before is None or before.value != status:
            self._differs(known.name)

    def keep_delivered(self, known: Known, delivered: Delivered, mark: int) -> None:
        """Keep a configuration that was read, or confirmed, just now."""
        size, before = known.size, known.delivered
        known.delivered = Reading(delivered, self._clock(), mark)
        if known.is_kept:
            self.size += known.size - size
            self._shrink()
        version = delivered.configuration.version
        if before is None or before.value.configuration.version != version:
            self._differs(known.name)

    def forget_delivered(self, known: Known) -> None:
        """Forget a configuration that the store has no more, or has for another device."""
        if known.delivered is None:
            return
        size, known.delivered = known.size, None
        if known.is_kept:
            self.size += known.size - size
        self._differs(known.name)

    def current(self, known: Known, reading: Reading[T] | None) -> T | None:
        """Return what was read if it need not be read again, else None."""
        if reading is None or reading.mark < max(known.changed, self._all_changed):
            return None
        age = self._clock() - reading.at
        return reading.value if age <= (UNCHANGED if self.has_feed else FRESH) else None

    def has_changed(self, name: DeviceName) -> bool:
        """Tell whether a device changed, according to the feed, since it was read."""
        known = self._known.get(name)
        return known is not None and known.mark < max(known.changed, self._all_changed)

    def usable(self, reading: Reading[T] | None, seconds: float) -> T | None:
        """Return what was read at most so long ago, for while the store cannot be used."""
        if reading is None or self._clock() - reading.at > seconds:
            return None
        return reading.value

    def age(self, reading: Reading[T]) -> float:
        """Return the seconds since something was read."""
        return self._clock() - reading.at

    def note_change(self, name: DeviceName) -> None:
        """Note that something about a device changed."""
        self._changes += 1
        known = self._known.get(name)
        if known is not None:
            known.changed = self._changes

    def note_all_changed(self) -> None:
        """Note that everything may have changed."""
        self._changes += 1
        self._all_changed = self._changes

    def _shrink(self) -> None:
        while self.size > self._limit and len(self._known) > 1:
            _, forgotten = self._known.popitem(last=False)
            forgotten.is_kept = False
            self.size -= forgotten.size


def _is_another(before: Reading[RegistrationStatus] | None, status: RegistrationStatus) -> bool:
    return before is not None and bool(before.value.uid) and before.value.uid != status.uid
