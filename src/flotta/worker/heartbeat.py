"""Heartbeats: at once after a change and once a period, never in step with other devices.

Rules and numbers: docs/reference/device.md#heartbeats.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from flotta.backoff import Backoff
from flotta.protocol.directives import HARDWARE, HEARTBEAT, WANTED_HEADER
from flotta.protocol.models import (
    DeviceConfigurationMessage,
    EventInfo,
    Heartbeat,
    UpgradeStatus,
)
from flotta.protocol.reasons.device_programs import HEARTBEAT_REFUSED, STATE_UNREADABLE
from flotta.token_bucket import TokenBucket
from flotta.unforeseen import keep_going
from flotta.worker.configuration import read_heartbeat_period
from flotta.worker.errors import DeliveryError
from flotta.worker.events import EventQueue
from flotta.worker.features import Feature
from flotta.worker.gateway_client import EdgeApiResponse, GatewayClient

log = logging.getLogger(__name__)

COALESCE_TIME = 0.25  # seconds in which several requests become one heartbeat
MIN_GAP = 1.0  # seconds between two heartbeats
BURST = 20  # heartbeats at that gap: enough for a device that starts its pods
BUSY_GAP = 5.0  # seconds between heartbeats after a burst: a flapping pod must not flood the server
JITTER = 0.1  # the part of a period by which it is varied either way
HEARTBEAT_RETRY = 2.0, 60.0  # seconds: the first delay, the longest
EXPLANATIONS = {
    401: "the certificate is not accepted; the gateway renews it",
    403: "the control plane does not accept this device; nothing is removed",
    404: "the control plane does not know this device; its workloads keep running",
}
TOO_LARGE = 413
BRIEF = 80  # characters of a message in a heartbeat without details


@dataclass(frozen=True)
class DeviceStatus:
    """The agent's own part of a heartbeat, read when that is built."""

    version: str  # of the configuration that was applied last, empty for none
    degraded: bool = False


class Heartbeats:
    """Sends heartbeats while `run` runs; `request` asks for one soon."""

    def __init__(
        self,
        gateway: GatewayClient,
        events: EventQueue,
        features: Sequence[Feature],
        read_status: Callable[[], DeviceStatus],
        agent_version: str,
    ) -> None:
        self._gateway = gateway
        self._events = events
        self._features = features
        self._read_status = read_status
        self._agent_version = agent_version
        self._wanted = asyncio.Event()
        self._period = read_heartbeat_period(None)
        self._bucket = TokenBucket(1 / BUSY_GAP, BURST)
        self._logged = ""

    def configure(self, message: DeviceConfigurationMessage) -> None:
        """Take the period from a configuration."""
        self._period = read_heartbeat_period(message)

    def request(self) -> None:
        """Ask for a heartbeat soon; several requests become one heartbeat."""
        self._wanted.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        backoff = Backoff(*HEARTBEAT_RETRY)
        self._wanted.set()
        while True:
            await self._wait_for_request(self._period)
            self._wanted.clear()
            try:
                await self._send_heartbeat()
                self._log_failure("")
                backoff.reset()
                self._bucket.take()
                await asyncio.sleep(max(MIN_GAP - COALESCE_TIME, self._bucket.wait_time()))
            except DeliveryError as error:
                self._log_failure(str(error))
                await asyncio.sleep(min(backoff.next(error.retry_after), self._period))
                self._wanted.set()

    def _log_failure(self, reason: str) -> None:
        """Log once what prevents heartbeats; an empty reason means that nothing does."""
        if reason == self._logged:
            return
        if reason:
            log.warning("Heartbeat not delivered: %s", reason)
        else:
            log.info("Heartbeats are delivered again")
        self._logged = reason

    async def _wait_for_request(self, period: float) -> None:
        """Wait until the period is over, or until soon after a heartbeat was asked for."""
        varied = period * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 (no secret)
        try:
            async with asyncio.timeout(varied):
                await self._wanted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(COALESCE_TIME)

    async def _send_heartbeat(self) -> None:
        events = self._events.next_batch()
        heartbeat = await self._build_heartbeat(events)
        response = await self._gateway.send(HEARTBEAT, heartbeat)
        too_large = response.status == TOO_LARGE
        if too_large:
            # A device whose heartbeats are too large would be offline for the control plane.
            heartbeat, events = without_details(heartbeat), []
            response = await self._gateway.send(HEARTBEAT, heartbeat)
        if not response.ok:
            reason = EXPLANATIONS.get(
                response.status, f"the control plane answered {response.status}"
            )
            raise DeliveryError(reason, response.retry_after, HEARTBEAT_REFUSED)
        if events:
            self._events.acknowledge(events)
        for feature in self._features:
            feature.acknowledge(heartbeat)
        if not too_large and heartbeat.hardware is None:
            self._heed_wish(response)

    def _heed_wish(self, response: EdgeApiResponse) -> None:
        """Report the hardware soon if the control plane has none of it."""
        if response.headers.get(WANTED_HEADER.lower()) == HARDWARE:
            for feature in self._features:
                feature.report_fully()
            self.request()

    async def _build_heartbeat(self, events: list[EventInfo]) -> Heartbeat:
        heartbeat = Heartbeat(
            # The word that agents of v0.2 report of a system without ostree.
            upgrade=UpgradeStatus(current_commit_id="unknown"),
            events=list(events),
            agent_version=self._agent_version,
        )
        complete = [
            await keep_going(partial(feature.report, heartbeat)) for feature in self._features
        ]
        # Last, so that the version is never older than what the features have reported.
        status = self._read_status()
        if heartbeat.workloads is None and not (status.version or all(complete)):
            # A configuration may be withheld until a heartbeat shows what the device would lose.
            raise DeliveryError("the device cannot read what it has", reason=STATE_UNREADABLE)
        heartbeat.status = "degraded" if status.degraded else "up"
        heartbeat.version = status.version
        return heartbeat


def without_details(heartbeat: Heartbeat) -> Heartbeat:
    """Return the heartbeat with short messages, and without hardware and events."""
    workloads = [
        msgspec.structs.replace(workload, message=workload.message[:BRIEF])
        for workload in heartbeat.workloads or ()
        if workload is not None
    ]
    return msgspec.structs.replace(heartbeat, workloads=workloads, hardware=None, events=[])
