"""Enrolment and registration, repeated until the device belongs to the fleet.

Rules: docs/reference/device.md#enrolment, docs/reference/device.md#registration; what each status
means: docs/reference/device.md#what-a-status-means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from flotta.backoff import Backoff
from flotta.protocol.directives import ENROLMENT, ENROLMENT_APPROVED, REGISTRATION
from flotta.protocol.models import EnrolmentInfo, Features, RegistrationInfo
from flotta.worker.errors import DeliveryError
from flotta.worker.features import Feature
from flotta.worker.gateway_client import EdgeApiResponse, GatewayClient

log = logging.getLogger(__name__)

REGISTRATION_RETRY = 1.0, 60.0  # seconds: the first delay, the longest
EXPLANATIONS = {
    200: "the enrolment waits for approval",
    400: "the control plane does not understand this device's request",
    401: "the control plane does not accept this device's certificate",
    403: "the certificate does not allow this device id or namespace",
    404: "the device is not approved yet",
    429: "the control plane is busy",
    503: "the control plane is not ready",
}


def explain_status(status: int) -> str:
    """Return what an HTTP status means for a device that joins."""
    return EXPLANATIONS.get(status, f"the control plane answered with status {status}")


class Registration:
    """Enrols, waits for approval, registers."""

    def __init__(
        self,
        gateway: GatewayClient,
        features: Sequence[Feature],
        namespace: Callable[[], str],
    ) -> None:
        self._gateway = gateway
        self._features = features
        self._namespace = namespace

    async def run(self) -> None:
        """Register; retry forever, after one second at first and at most a minute later."""
        backoff = Backoff(*REGISTRATION_RETRY)
        logged = ""
        while True:
            wait: float | None = None
            try:
                response = await self._try_registration()
                if response is None:
                    log.info("This device is registered")
                    return
                reason, wait = explain_status(response.status), response.retry_after
            except DeliveryError as error:
                reason = str(error)
            if reason != logged:
                log.info("Not registered yet: %s", reason)
                logged = reason
            await asyncio.sleep(backoff.next(wait))

    async def _try_registration(self) -> EdgeApiResponse | None:
        """Do both steps; return None for success, else the response that prevents it."""
        registration = RegistrationInfo()
        for feature in self._features:
            await feature.describe(registration)
        enrolment = EnrolmentInfo(
            features=Features(hardware=registration.hardware), target_namespace=self._namespace()
        )
        response = await self._gateway.send(ENROLMENT, enrolment)
        if response.status != ENROLMENT_APPROVED:
            return response
        response = await self._gateway.send(REGISTRATION, registration)
        return None if response.ok else response
