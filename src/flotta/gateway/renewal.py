"""Renewal of the device certificate: in time, and when the Edge API no longer accepts it.

See docs/reference/device.md#renewal-and-key-rotation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from datetime import datetime
from typing import NamedTuple

from flotta.backoff import Backoff
from flotta.gateway.certificate_requests import CertificateRequests
from flotta.gateway.clock import Clock
from flotta.gateway.errors import GatewayError, describe_error
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Timing
from flotta.gateway.status_codes import explain_refusal
from flotta.identity.lifetime import renewal_time, valid_at

log = logging.getLogger(__name__)

MAX_SLEEP = 3600.0  # seconds; the clock may be corrected in the meantime
JITTER = 0.1  # part of the validity: a fleet that enrolled together must not renew together


class _Wanted(NamedTuple):
    fingerprint: str  # of the certificate that is to be renewed
    at: float  # time.monotonic()


class Renewal:
    """Watches the current device certificate, not the registration certificate."""

    def __init__(
        self,
        store: IdentityStore,
        certificate_requests: CertificateRequests,
        clock: Clock,
        timing: Timing,
        device_id: str,
    ) -> None:
        self._store = store
        self._certificate_requests = certificate_requests
        self._clock = clock
        self._timing = timing
        self._device_id = device_id
        self._demanded = asyncio.Event()
        self._changed = asyncio.Event()
        self._hurried = asyncio.Event()
        self._wanted = _Wanted("", 0.0)
        self._log_once = LogOnce(log)
        self._early = random.random() * JITTER  # noqa: S311
        self._urgent = Backoff(timing.retry_first, timing.retry_cap)
        self._calm = Backoff(timing.retry_cap, timing.renewal_retry_cap)
        self._unproven = False

    def demand(self, refused: Identity) -> bool:
        """Renew now, because this certificate was refused; return whether it is still in use.

        Raises IdentityUnusable when there is no certificate.
        """
        if self._store.load_current().peer.fingerprint != refused.peer.fingerprint:
            return False
        self._demanded.set()
        return True

    def want(self, used: Identity) -> None:
        """Renew this certificate, which the Edge API wants, at a random moment soon.

        All devices of a fleet hear it at their next heartbeat (docs/reference/device.md).
        """
        if self._wanted.fingerprint != used.peer.fingerprint:
            delay = random.random() * self._timing.wanted_spread  # noqa: S311
            self._wanted = _Wanted(used.peer.fingerprint, time.monotonic() + delay)
            self._hurried.set()

    def note_new_identity(self) -> None:
        """Note that a new certificate is installed."""
        self._demanded.clear()
        self._changed.set()

    def confirm_identity(self) -> None:
        """Note that the Edge API accepts the present certificate."""
        self._demanded.clear()
        self._unproven = False
        self._urgent.reset()
        self._calm.reset()

    async def wait_for_new_identity(self, seconds: float) -> bool:
        """Wait for a new certificate for at most `seconds`; return whether one came."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
            return True
        return False

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            identity = self._device_identity()
            if identity is None:
                self._demanded.clear()
                await self.wait_for_new_identity(MAX_SLEEP)
            elif self._demanded.is_set() or self._seconds_left(identity) <= 0:
                await self._try_renewal(identity)
            else:
                await self._wait_for_change(min(self._seconds_left(identity), MAX_SLEEP))

    def _device_identity(self) -> Identity | None:
        return next(iter(self._device_identities()), None)

    def _device_identities(self) -> list[Identity]:
        return [identity for identity in self._store.load_identities() if identity.is_device]

    def _seconds_left(self, identity: Identity) -> float:
        """Return the seconds until two thirds of the certificate's validity have passed.

        A random part of up to JITTER is subtracted. It is sooner when the Edge API wants it.
        """
        validity = identity.peer.not_after - identity.peer.not_before
        moment = renewal_time(identity.certificate) - validity * self._early
        seconds = (moment - self._clock.now()).total_seconds()
        if self._wanted.fingerprint == identity.peer.fingerprint:
            seconds = min(seconds, self._wanted.at - time.monotonic())
        return seconds

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        events = (self._demanded, self._changed, self._hurried)
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hurried.clear()
            for wait in waits:
                wait.cancel()

    async def _try_renewal(self, current: Identity) -> None:
        if self._unproven:  # the last new certificate was refused as well: slow down
            await asyncio.sleep(self._urgent.next())
        log.info(
            "Renewing the certificate that is valid to %s", _format_date(current.peer.not_after)
        )
        if await self._renew_with_any_identity():
            self._log_once.recovered("renewal")
            self._unproven = True
            self._early = random.random() * JITTER  # noqa: S311
            return
        urgent = self._demanded.is_set() or not valid_at(current.certificate, self._clock.now())
        await asyncio.sleep((self._urgent if urgent else self._calm).next())

    async def _renew_with_any_identity(self) -> bool:
        """Try the current identity, then earlier ones, in case the new one is not accepted."""
        reasons = []
        for identity in self._device_identities():
            try:
                response = await self._certificate_requests.renew(identity)
            except (GatewayError, OSError) as error:
                reasons.append(describe_error(error))
                continue
            if response.status == 200:
                return True
            reasons.append(explain_refusal(response, self._device_id))
        self._log_once.failed("renewal", "; ".join(dict.fromkeys(reasons)))
        return False


def _format_date(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
