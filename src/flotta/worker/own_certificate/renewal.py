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
RENEWAL_RETRY = 1.0, 60.0  # seconds between attempts: the first delay, the longest
CALM = 60.0  # seconds after a renewal: a wrong clock must not cause one after the other


class Renewal:
    """Renews until cancelled; `register` sends a registration and returns the status."""

    def __init__(self, certificate: OwnCertificate, register: Callable[[], Awaitable[int]]) -> None:
        self._certificate = certificate
        self._register = register
        self._backoff = Backoff(*RENEWAL_RETRY)
        self._logged = ""

    async def run(self) -> None:
        """Renew whenever it is due."""
        while True:
            if await self._is_due():
                await self._renew()

    async def _is_due(self) -> bool:
        """Wait until a renewal is due, or MAX_SLEEP; tell which."""
        try:
            left = await self._certificate.seconds_left()
        except DeliveryError as error:
            self._log_failure(str(error))
            await asyncio.sleep(self._backoff.next())
            return False
        if left is None:
            self._certificate.on_unregistered()
        demanded = self._certificate.demanded
        if left is None or (left > 0 and not demanded.is_set()):
            demanded.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left or MAX_SLEEP, MAX_SLEEP)):
                    await demanded.wait()
            return False
        return True

    async def _renew(self) -> None:
        try:
            status = await self._register()
        except DeliveryError as error:
            self._log_failure(str(error))
        else:
            if 200 <= status < 300:
                self._log_failure("")
                self._backoff.reset()
                await self._calm()
                return
            text = f"the control plane answered {status} to the renewal of the certificate"
            self._log_failure(with_code(text, CERTIFICATE_NOT_INSTALLED))
            if status in (UNAUTHORIZED, FORBIDDEN) and await self._certificate.go_back():
                log.warning(
                    "The new certificate was never accepted; the one before it is back [%s]",
                    CERTIFICATE_NOT_INSTALLED,
                )
        await asyncio.sleep(self._backoff.next())

    async def _calm(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALM):
                await self._certificate.demanded.wait()

    def _log_failure(self, reason: str) -> None:
        """Log once what prevents a renewal; an empty reason means that nothing does."""
        if reason and reason != self._logged:
            log.warning("Certificate not renewed: %s", reason)
        self._logged = reason
