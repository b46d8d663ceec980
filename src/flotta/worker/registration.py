"""Enrolment and registration: one driver that tries until the device belongs to the fleet (device-agent.md §2.2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from flotta.backoff import Backoff
from flotta.protocol.directives import ENROLMENT, REGISTRATION
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import EnrolmentInfo, Features, RegistrationInfo

from .dispatcher import Answer, Dispatcher
from .errors import GatewayError

log = logging.getLogger(__name__)

APPROVED = 208
_SENTENCES = {
    200: "the enrolment waits for approval",
    400: "the control plane does not understand this device's request",
    401: "the control plane does not accept this device's certificate",
    403: "the certificate does not allow this device id or namespace",
    404: "the device is not approved yet",
    429: "the control plane is busy",
    503: "the control plane is not ready",
}


def sentence(status: int) -> str:
    """Say what an HTTP status means for a device that wants to belong to the fleet."""
    return _SENTENCES.get(status, f"the control plane answered with status {status}")


class Registration:
    """Enrols, waits for approval, registers."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        inventory: Callable[[], HardwareInfo],
        namespace: Callable[[], str],
    ) -> None:
        self._dispatcher = dispatcher
        self._inventory = inventory
        self._namespace = namespace

    async def run(self) -> None:
        """Return once registered; tries for ever, from every second up to once a minute."""
        backoff = Backoff(1.0, 60.0)
        said = ""
        while True:
            wait: float | None = None
            try:
                answer = await self._attempt()
                if answer is None:
                    log.info("This device is registered")
                    return
                text, wait = sentence(answer.status), answer.retry_after
            except GatewayError as error:
                text = str(error)
            if text != said:
                log.info("Not registered yet: %s", text)
                said = text
            await asyncio.sleep(backoff.next(wait))

    async def _attempt(self) -> Answer | None:
        """Do both steps; None is success, else the answer that stands in the way."""
        hardware = await asyncio.to_thread(self._inventory)
        enrolment = EnrolmentInfo(
            features=Features(hardware=hardware), target_namespace=self._namespace()
        )
        answer = await self._dispatcher.send(ENROLMENT, enrolment)
        if answer.status != APPROVED:
            return answer
        answer = await self._dispatcher.send(REGISTRATION, RegistrationInfo(hardware=hardware))
        return None if answer.ok else answer
