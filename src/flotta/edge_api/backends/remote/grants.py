"""The record of which devices may remove everything because the store says so.

It is a Secret (or its directory) beside the certificates, so that neither a restart nor another
replica begins to count at nought. Devices are in it by hashes, so that all entries are short.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from flotta.edge_api.backends.backend import SecretConflict, SecretStore, StoredSecret
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.own_names import WIPE_GRANTS_SECRET
from flotta.protocol.envelope import encode
from flotta.protocol.json_text import decode_json

KEY = "grants.json"  # in the Secret: seconds since 1970 of each grant, by device
WINDOW = 3600.0  # seconds in which grants count
REMEMBERED = 10_000  # devices, in half a megabyte; REMOTE_BACKEND_WIPES_PER_HOUR is at most that
ATTEMPTS = 5  # to write while other replicas do


class GrantsUnusable(Exception):
    """The record cannot be read or written; the text says what to do."""


class Leaver(NamedTuple):
    """A device that is to go: another one of its name later has another UID."""

    name: DeviceName
    uid: str

    @property
    def digest(self) -> str:
        """What stands for it in the record."""
        return hashlib.sha256("\n".join((*self.name, self.uid)).encode()).hexdigest()[:32]


class _Grant(NamedTuple):
    at: float  # seconds since 1970, as recorded
    since: float  # seconds of the clock


class Grants:
    """The record, and what of it was read or written here.

    A wall clock may step, so the recorded time only says how old a grant was when it was read
    first; from then on `clock` counts, in seconds.
    """

    def __init__(
        self,
        secrets: SecretStore,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._wall_clock = wall_clock
        self._known: dict[str, _Grant] = {}  # by device

    @property
    def recent(self) -> int:
        """How many devices were granted it within WINDOW."""
        end = self._clock() - WINDOW
        return sum(grant.since > end for grant in self._known.values())

    def is_recent(self, leaver: Leaver) -> bool:
        """Tell whether a device was granted it within WINDOW."""
        grant = self._known.get(leaver.digest)
        return grant is not None and grant.since > self._clock() - WINDOW

    def is_known(self, leaver: Leaver) -> bool:
        """Tell whether a device was ever granted it."""
        return leaver.digest in self._known

    async def add(self, leaver: Leaver, may: Callable[[], bool]) -> bool:
        """Record a grant if it `may` be, by what the record says; return whether it is recorded.

        Raises GrantsUnusable or BackendError; then it is not.
        """
        for _ in range(ATTEMPTS):
            secret = await self._secrets.read(WIPE_GRANTS_SECRET)
            self._take(secret)
            if self.is_recent(leaver):
                return True
            if not may():
                return False
            grant = _Grant(self._wall_clock(), self._clock())
            if await self._write(secret, {**self._known, leaver.digest: grant}):
                return True
        raise GrantsUnusable(f"other replicas keep changing the Secret {WIPE_GRANTS_SECRET}")

    def _take(self, secret: StoredSecret | None) -> None:
        now, wall_now = self._clock(), self._wall_clock()
        for digest, at in _read(secret).items():
            known = self._known.get(digest)
            if known is None or known.at != at:
                self._known[digest] = _Grant(at, now - max(0.0, wall_now - at))

    async def _write(self, secret: StoredSecret | None, grants: dict[str, _Grant]) -> bool:
        """Write the latest grants; tell whether no other replica wrote meanwhile."""
        latest = sorted(grants.items(), key=lambda item: item[1].since)[-REMEMBERED:]
        data = {KEY: encode({digest: grant.at for digest, grant in latest})}
        try:
            if secret is not None:
                await self._secrets.replace(secret, data)
            elif (await self._secrets.create(WIPE_GRANTS_SECRET, data)).data != data:
                return False
        except SecretConflict:
            return False
        self._known = dict(latest)
        return True


def _read(secret: StoredSecret | None) -> dict[str, float]:
    """Return the recorded times by device; raises GrantsUnusable."""
    if secret is None:
        return {}
    try:
        return decode_json(secret.data[KEY], dict[str, float])
    except (KeyError, msgspec.MsgspecError) as error:
        raise GrantsUnusable(
            f"{KEY} in the Secret {WIPE_GRANTS_SECRET} cannot be read ({error}); remove that Secret"
        ) from error
