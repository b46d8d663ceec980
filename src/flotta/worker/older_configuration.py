"""What a device does while it keeps workloads because its configuration is an older one.

It says so once, and asks for the configuration again: the gateway gets one without a change only if
it asks without naming what it has (docs/reference/device.md#older-configurations).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from flotta.backoff import Backoff
from flotta.protocol.directives import CONFIGURATION_WANTED
from flotta.protocol.models import InputsVersion
from flotta.protocol.reasons.device_programs import CONFIGURATION_OLDER
from flotta.worker.errors import DeliveryError
from flotta.worker.events import EventQueue
from flotta.worker.gateway_client import GatewayClient

log = logging.getLogger(__name__)

ASK_AGAIN = 60.0, 600.0  # first and longest seconds until the configuration is asked for again


class OlderConfiguration:
    """Whether workloads are kept against an older configuration."""

    def __init__(self, gateway: GatewayClient, events: EventQueue) -> None:
        self._gateway = gateway
        self._events = events
        self._asking: asyncio.Task[None] | None = None
        self._kept: tuple[str, ...] | None = None

    def begin(self, tasks: asyncio.TaskGroup, kept: tuple[str, ...], versions: str) -> bool:
        """Report once that these workloads are kept, and ask for the configuration again.

        Return whether there is an event for the control plane.
        """
        if self._asking is None:
            self._asking = tasks.create_task(self._ask())
        if kept == self._kept:
            return False
        self._kept = kept
        message = _describe(kept, versions)
        log.warning("%s [%s]", message, CONFIGURATION_OLDER)
        self._events.add_warning(CONFIGURATION_OLDER, message)
        return True

    def end(self) -> None:
        """Take note that the configuration is not an older one, or keeps everything."""
        self._kept = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self) -> None:
        backoff = Backoff(*ASK_AGAIN)
        # A call over gRPC that fails at that moment swallows the cancellation.
        while self._asking is asyncio.current_task():
            await asyncio.sleep(backoff.next())
            with contextlib.suppress(DeliveryError):  # asked again later
                await self._gateway.send(CONFIGURATION_WANTED, InputsVersion())


def _describe(kept: tuple[str, ...], versions: str) -> str:
    return (
        f"The configuration is older than one before it (resourceVersion {versions}), so nothing "
        "is removed. If the store was replaced by an older copy, create the missing EdgeWorkloads "
        "again before its resourceVersion has grown past that; else compare the caches of the Edge "
        f"API's replicas (readyz). Kept: {', '.join(kept) or 'all that is installed'}"
    )
