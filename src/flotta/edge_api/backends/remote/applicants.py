"""Devices that asked to join through this server, and the keys that registered.

A store of v0.2 says neither that it approved a device nor for which key. So this server remembers,
in bounded memory, what it saw; a store that says it itself needs none of this.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from flotta.edge_api.backends.remote.client import DeviceName

REMEMBERED = 100_000  # devices; the one that was heard longest ago is forgotten first
PATIENCE = 3600.0  # seconds after which a device that does not ask again is forgotten


@dataclass
class Applicant:
    """What this server saw of a device; keys are fingerprints, "" for none."""

    heard_at: float
    enrolled_key: str = ""
    is_approved: bool = False  # the store answered to its enrolment that it may register
    registered_key: str = ""


class Applicants:
    """Applicants by name."""

    def __init__(
        self, remembered: int = REMEMBERED, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._remembered = remembered
        self._clock = clock
        self._applicants: OrderedDict[DeviceName, Applicant] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._applicants)

    def find(self, name: DeviceName) -> Applicant | None:
        """Return a device that asked, or registered, within the last hour."""
        found = self._applicants.get(name)
        if found is None or self._clock() - found.heard_at > PATIENCE:
            return None
        return found

    def note_enrolment(self, name: DeviceName, key: str, *, is_approved: bool) -> None:
        """Note that a device asked to join with this key, and what the store answered."""
        applicant = self._hear(name)
        applicant.enrolled_key, applicant.is_approved = key, is_approved

    def note_registration(self, name: DeviceName, key: str) -> None:
        """Note the key of a registration; the approval is used up."""
        applicant = self._hear(name)
        applicant.registered_key, applicant.is_approved = key, False

    def forget(self, name: DeviceName) -> None:
        """Remember nothing of a device."""
        self._applicants.pop(name, None)

    def _hear(self, name: DeviceName) -> Applicant:
        applicant = self.find(name) or Applicant(0.0)
        applicant.heard_at = self._clock()
        self._applicants[name] = applicant
        self._applicants.move_to_end(name)
        if len(self._applicants) > self._remembered:
            self._applicants.popitem(last=False)
        return applicant
