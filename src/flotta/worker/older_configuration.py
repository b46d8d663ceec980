"""What a device does while it keeps workloads because its configuration is an older one.

It asks for the configuration again: the gateway gets one without a change only if it asks without
naming what it has. Of two replicas of the Edge API, one may know less for a moment, so only what
lasts is reported (docs/reference/device.md#older-configurations).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from flotta.backoff import Backoff
from flotta.protocol.directives import CONFIGURATION_WANTED
from flotta.protocol.models import InputsVersion
from flotta.protocol.reasons.device_programs import CONFIGURATION_OLDER
from flotta.worker.errors import DeliveryError
from flotta.worker.events import EventQueue
from flotta.worker.gateway_client import GatewayClient

log = logging.getLogger(__name__)

ASK_AGAIN = 60.0, 600.0  # first and longest seconds until the configuration is asked for again


@dataclass(frozen=True)
class _Keeping:
    kept: tuple[str, ...]  # names of workloads
    versions: str  # those that are lower than before


class OlderConfiguration:
    """Whether workloads are kept against an older configuration.

    `request_heartbeat` is called when there is an event for the control plane.
    """

    def __init__(
        self, gateway: GatewayClient, events: EventQueue, request_heartbeat: Callable[[], None]
    ) -> None:
        self._gateway = gateway
        self._events = events
        self._request_heartbeat = request_heartbeat
        self._asking: asyncio.Task[None] | None = None
        self._keeping = _Keeping((), "")
        self._reported: tuple[str, ...] | None = None

    def note(self, tasks: asyncio.TaskGroup, kept: tuple[str, ...], versions: str) -> None:
        """Take note of an older configuration and of what is kept; ask for a newer one.

        The second one in a row is reported.
        """
        self._keeping = _Keeping(kept, versions)
        if self._asking is None:
            self._asking = tasks.create_task(self._ask())
        else:
            self._report()

    def end(self) -> None:
        """Take note that the configuration is not an older one, or keeps everything."""
        self._reported = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _report(self) -> None:
        """Report what is kept, once."""
        if self._keeping.kept == self._reported:
            return
        self._reported = self._keeping.kept
        message = _describe(self._keeping)
        log.warning("%s [%s]", message, CONFIGURATION_OLDER)
        self._events.add_warning(CONFIGURATION_OLDER, message)
        self._request_heartbeat()

    async def _ask(self) -> None:
        backoff = Backoff(*ASK_AGAIN)
        asked = False
        # A call over gRPC that fails at that moment swallows the cancellation.
        while self._asking is asyncio.current_task():
            await asyncio.sleep(backoff.next())
            if asked:
                self._report()  # the same one came again: the gateway does not deliver it twice
            with contextlib.suppress(DeliveryError):  # asked again later
                await self._gateway.send(CONFIGURATION_WANTED, InputsVersion())
                asked = True


def _describe(keeping: _Keeping) -> str:
    return (
        f"The configuration is older than one before it (resourceVersion: {keeping.versions}), so "
        "nothing is removed. If the store was replaced by an older copy, create the missing "
        "EdgeWorkloads again before its resourceVersion has grown past that; else compare the "
        "caches of the Edge API's replicas (readyz). Kept: "
        f"{', '.join(keeping.kept) or 'all that is installed'}"
    )
