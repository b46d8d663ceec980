"""Renew the device certificate in time, and when the Edge API says it is no longer good."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import random

from flotta.backoff import Backoff
from flotta.gateway.clock import Clock
from flotta.gateway.diagnosis import explain
from flotta.gateway.errors import GatewayError
from flotta.gateway.journal import Journal
from flotta.gateway.pairs import Identity
from flotta.gateway.registration import Registration
from flotta.gateway.settings import Pace
from flotta.gateway.store import IdentityStore
from flotta.identity.lifetime import renewal_time, valid_at

log = logging.getLogger(__name__)

LONGEST_SLEEP = 3600.0  # the clock may be corrected in the meantime
JITTER = 0.1  # of the certificate's life, so that a fleet enrolled together does not renew together


class Renewal:
    """Watches the current device certificate; knows nothing of the registration pair."""

    def __init__(
        self,
        store: IdentityStore,
        registration: Registration,
        clock: Clock,
        pace: Pace,
        device_id: str,
    ) -> None:
        self._store = store
        self._registration = registration
        self._clock = clock
        self._pace = pace
        self._device_id = device_id
        self._demanded = asyncio.Event()
        self._changed = asyncio.Event()
        self._journal = Journal(log)
        self._early = random.random() * JITTER  # noqa: S311
        self._urgent = Backoff(pace.retry_first, pace.retry_most)
        self._calm = Backoff(pace.retry_most, pace.renewal_retry)
        self._unproven = False

    def demand(self, refused: Identity) -> bool:
        """Renew now: the Edge API answered 401 to this certificate; False when there is a newer one already.

        Raises IdentityUnusable when there is none.
        """
        if self._store.current().peer.fingerprint != refused.peer.fingerprint:
            return False
        self._demanded.set()
        return True

    def identity_changed(self) -> None:
        """Look at the dates of the new certificate."""
        self._demanded.clear()
        self._changed.set()

    def confirm(self) -> None:
        """Take note that the Edge API accepts the present certificate."""
        self._demanded.clear()
        self._unproven = False
        self._urgent.reset()
        self._calm.reset()

    async def renewed(self, seconds: float) -> bool:
        """Wait for a new certificate; False when there is none after that time."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
            return True
        return False

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            identity = self._device_identity()
            if identity is None:
                self._demanded.clear()
                await self.renewed(LONGEST_SLEEP)
            elif self._demanded.is_set() or self._seconds_left(identity) <= 0:
                await self._attempt(identity)
            else:
                await self._wait(min(self._seconds_left(identity), LONGEST_SLEEP))

    def _device_identity(self) -> Identity | None:
        return next((one for one in self._store.identities() if one.is_device), None)

    def _seconds_left(self, identity: Identity) -> float:
        """Seconds until two thirds of the certificate's life are over, a little less by chance."""
        life = identity.peer.not_after - identity.peer.not_before
        moment = renewal_time(identity.certificate) - life * self._early
        return (moment - self._clock.now()).total_seconds()

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        waits = [asyncio.create_task(one.wait()) for one in (self._demanded, self._changed)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _attempt(self, current: Identity) -> None:
        if self._unproven:  # the last new certificate was refused as well: do not hurry
            await asyncio.sleep(self._urgent.next())
        log.info("Renewing the certificate that is valid to %s", _date(current.peer.not_after))
        if await self._renewed_with_any():
            self._journal.fine("renewal")
            self._unproven = True
            self._early = random.random() * JITTER  # noqa: S311
            return
        urgent = self._demanded.is_set() or not valid_at(current.certificate, self._clock.now())
        await asyncio.sleep((self._urgent if urgent else self._calm).next())

    async def _renewed_with_any(self) -> bool:
        """Try the current pair, then the one before, should the new one be no good."""
        reasons = []
        for identity in (one for one in self._store.identities() if one.is_device):
            try:
                answer = await self._registration.renew(identity)
            except (GatewayError, OSError) as error:
                reasons.append(str(error))
                continue
            if answer.status == 200:
                return True
            reasons.append(explain(answer.status, self._device_id))
        self._journal.trouble("renewal", "; ".join(dict.fromkeys(reasons)))
        return False


def _date(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds")
