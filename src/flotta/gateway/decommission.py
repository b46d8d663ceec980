"""Leaving the fleet: workers clean up, the Edge API is notified, the certificates are removed.

The order is safe against a power cut at any point. Before the marker file exists the Edge API still
sends `disconnect` and everything is repeated; afterwards the gateway stays parked, so that the
device does not enrol again by itself with the registration certificate, which it keeps
(docs/reference/device.md#disconnect).
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

from flotta.backoff import Backoff
from flotta.durable_files import write_atomically
from flotta.gateway.clock import Clock
from flotta.gateway.edge_api_client import EdgeApiClient
from flotta.gateway.errors import GatewayError
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Settings
from flotta.gateway.workers import Workers
from flotta.protocol.directives import DISCONNECT
from flotta.protocol.envelope import encode, new_message
from flotta.protocol.reasons.device_programs import DEVICE_REMOVED, IDENTITY_REMAINS, NOT_STORED
from flotta.protocol.reasons.reason import with_code
from flotta.unforeseen import run_again

log = logging.getLogger(__name__)

MARKER = "decommissioned"


class Decommission:
    """Carries out the command `disconnect`, then keeps the gateway parked."""

    def __init__(
        self,
        settings: Settings,
        store: IdentityStore,
        edge_api: EdgeApiClient,
        workers: Workers,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._edge_api = edge_api
        self._workers = workers
        self._clock = clock
        self._log_once = LogOnce(log)

    @property
    def marker(self) -> Path:
        """The file that keeps the gateway parked."""
        return self._settings.state_folder / MARKER

    async def run(self, command_id: str) -> None:
        """Make workers remove everything, confirm it, and write the marker."""
        log.warning(
            "This device was removed from the fleet: its workloads and data are removed now [%s]",
            DEVICE_REMOVED,
        )
        self._workers.forget_messages()
        await self._workers.disconnect()
        await self._confirm_disconnect(command_id)
        self._write_marker()

    async def park(self) -> None:
        """Do nothing but make workers that register later clean up as well."""
        retry = asyncio.create_task(run_again(self._finish))
        try:
            while True:
                await self._workers.disconnect()
                await self._workers.wait_for_worker()
        finally:
            retry.cancel()

    async def _finish(self) -> None:
        """Remove the certificates and write the marker, again and again until both are done."""
        backoff = Backoff(self._settings.timing.retry_first, self._settings.timing.retry_cap)
        while True:
            if self._try_to_finish():
                break
            await asyncio.sleep(backoff.next())
        log.warning(
            "Parked: this device left the fleet. To let it join again, remove %s and restart this "
            "service; the role flotta.edge.device with device_state=present does both. [%s]",
            self.marker,
            DEVICE_REMOVED,
        )

    def _try_to_finish(self) -> bool:
        # Without the marker a gateway that starts would join again; with its certificates it gets
        # the command again.
        if not self._write_marker():
            return False
        left = self._store.wipe()
        self._edge_api.reconnect()
        if left:
            reason = with_code("; ".join(map(str, left)), IDENTITY_REMAINS)
            self._log_once.failed("removal of the device's certificates", reason)
        return not left

    def _write_marker(self) -> bool:
        """Return whether the marker exists now; a full or read-only disk may refuse it."""
        text = json.dumps(
            {
                "time": self._clock.now().isoformat(timespec="seconds"),
                "device_id": self._settings.device_id,
                "server": self._settings.server,
            }
        )
        try:
            if not self.marker.exists():
                write_atomically(self.marker, text.encode() + b"\n", 0o644)
        except OSError as error:
            self._log_once.failed(f"writing {self.marker}", with_code(str(error), NOT_STORED))
            return False
        return True

    async def _confirm_disconnect(self, command_id: str) -> None:
        """Post the event `disconnect` until the Edge API accepts or refuses it."""
        backoff = Backoff(self._settings.timing.retry_first, self._settings.timing.retry_cap)
        body = encode(new_message("event", DISCONNECT, response_to=command_id))
        while True:
            try:
                response = await self._edge_api.post("control", body)
            except GatewayError as error:
                self._log_once.failed("confirmation of the disconnect", str(error))
            else:
                if response.status < 500 and response.status != 429:
                    log.info("Confirmed the disconnect; the Edge API answered %d", response.status)
                    return
            await asyncio.sleep(backoff.next())
