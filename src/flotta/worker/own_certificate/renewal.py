"""Renewal of the certificate in time, and when the control plane no longer accepts it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from flotta.backoff import Backoff
from flotta.protocol.reasons.device_programs import CERTIFICATE_NOT_INSTALLED
from flotta.protocol.reasons.reason import with_code
from flotta.worker.errors import DeliveryError
from flotta.worker.own_certificate.own_certificate import (
    FORBIDDEN,
    UNAUTHORIZED,
    OwnCertificate,
)

log = logging.getLogger(__name__)

MAX_SLEEP = 300.0  # seconds; the clock or the files may be changed in the meantime
# Seconds between attempts, the first delay and the longest: with a certificate that is expired or
# refused, and with one that is valid, because the control plane signs one for each attempt.
URGENT_RETRY = 1.0, 60.0
CALM_RETRY = 60.0, 3600.0
CALM = 60.0  # seconds after a renewal: a wrong clock must not cause one after the other


class Renewal:
    """Renews until cancelled; `register` sends a registration and returns the status."""

    def __init__(self, certificate: OwnCertificate, register: Callable[[], Awaitable[int]]) -> None:
        self._certificate = certificate
        self._register = register
        self._urgent = Backoff(*URGENT_RETRY)
        self._calm = Backoff(*CALM_RETRY)
        self._logged = ""

    async def run(self) -> None:
        """Renew whenever it is due."""
        while True:
            try:
                left = await self._certificate.seconds_left()
            except DeliveryError as error:
                self._log_failure(str(error))
                await asyncio.sleep(self._urgent.next())
                continue
            if left is None:
                self._certificate.on_unregistered()
                await self._wait_for_demand(MAX_SLEEP)
                self._certificate.demanded.clear()
            elif left.renewal > 0 and not self._certificate.demanded.is_set():
                await self._wait_for_demand(min(left.renewal, MAX_SLEEP))
            else:
                await self._renew(is_valid=left.validity > 0)

    async def _renew(self, *, is_valid: bool) -> None:
        demanded = self._certificate.demanded
        try:
            status = await self._register()
        except DeliveryError as error:
            self._log_failure(str(error))
        else:
            if 200 <= status < 300:
                await self._note_success()
                return
            await self._note_refusal(status)
        if demanded.is_set() or not is_valid:
            await asyncio.sleep(self._urgent.next())
        else:
            await self._wait_for_demand(self._calm.next())

    async def _note_success(self) -> None:
        self._log_failure("")
        self._urgent.reset()
        self._calm.reset()
        await self._wait_for_demand(CALM)

    async def _note_refusal(self, status: int) -> None:
        text = f"the control plane answered {status} to the renewal of the certificate"
        self._log_failure(with_code(text, CERTIFICATE_NOT_INSTALLED))
        if status in (UNAUTHORIZED, FORBIDDEN) and await self._certificate.go_back():
            log.warning(
                "The new certificate was never accepted; the one before it is back [%s]",
                CERTIFICATE_NOT_INSTALLED,
            )

    async def _wait_for_demand(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._certificate.demanded.wait()

    def _log_failure(self, reason: str) -> None:
        """Log once what prevents a renewal; an empty reason means that nothing does."""
        if reason and reason != self._logged:
            log.warning("Certificate not renewed: %s", reason)
        self._logged = reason
