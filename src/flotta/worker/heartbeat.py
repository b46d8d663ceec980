"""Heartbeats: one at once after a configuration or a change, one each period, never in step with other devices."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from flotta.backoff import Backoff
from flotta.protocol.directives import HEARTBEAT
from flotta.protocol.envelope import encode
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import (
    DeviceConfigurationMessage,
    EventInfo,
    HardwareProfileConfiguration,
    Heartbeat,
    UpgradeStatus,
    WorkloadStatus,
)
from flotta.token_bucket import TokenBucket

from .configuration import heartbeat_period
from .dispatcher import Dispatcher
from .errors import GatewayError
from .events import EventQueue

log = logging.getLogger(__name__)

COALESCE = 0.25  # seconds in which several requests become one heartbeat
LEAST_GAP = 1.0  # seconds between two heartbeats
BURST = 20  # heartbeats that may follow each other at that gap
BUSY_GAP = 5.0  # seconds between heartbeats after a burst, so that a flapping pod floods nobody
JITTER = 0.1  # the part of a period by which it is varied either way
_SENTENCES = {
    401: "the certificate is not accepted; the gateway renews it",
    403: "the certificate does not belong to this device id",
    404: "the control plane does not know this device",
}


@dataclass(frozen=True)
class Report:
    """What a heartbeat is made of, taken when it is built."""

    version: str
    workloads: list[WorkloadStatus]
    degraded: bool = False


class Heartbeats:
    """Sends heartbeats while ``run`` runs; ``beat`` asks for one now."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        events: EventQueue,
        report: Callable[[], Report],
        inventory: Callable[[], HardwareInfo],
        agent_version: str,
    ) -> None:
        self._dispatcher = dispatcher
        self._events = events
        self._report = report
        self._inventory = inventory
        self._agent_version = agent_version
        self._wanted = asyncio.Event()
        self._period = 60.0
        self._profile = HardwareProfileConfiguration()
        self._hardware_sent = ""
        self._bucket = TokenBucket(1 / BUSY_GAP, BURST)

    def configure(self, message: DeviceConfigurationMessage) -> None:
        """Take period and hardware profile from a configuration."""
        self._period = heartbeat_period(message)
        section = message.configuration.heartbeat if message.configuration else None
        self._profile = section.hardware_profile if section else HardwareProfileConfiguration()

    def beat(self) -> None:
        """Ask for a heartbeat within a second; requests meanwhile become one."""
        self._wanted.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        backoff = Backoff(2.0, 60.0)
        self._wanted.set()
        while True:
            await self._wait(self._period)
            self._wanted.clear()
            try:
                await self._send()
                backoff.reset()
                self._bucket.take()
                await asyncio.sleep(max(LEAST_GAP - COALESCE, self._bucket.wait_time()))
            except GatewayError as error:
                log.warning("Heartbeat not delivered: %s", error)
                await asyncio.sleep(min(backoff.next(error.retry_after), self._period))
                self._wanted.set()

    async def _wait(self, period: float) -> None:
        """Return when the period is over, or soon after a heartbeat was asked for, so that requests become one."""
        varied = period * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 (no secret)
        try:
            async with asyncio.timeout(varied):
                await self._wanted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(COALESCE)

    async def _send(self) -> None:
        events = self._events.oldest()
        hardware, digest = await self._hardware()
        answer = await self._dispatcher.send(HEARTBEAT, self._build(events, hardware))
        if not answer.ok:
            text = _SENTENCES.get(answer.status, f"the control plane answered {answer.status}")
            raise GatewayError(text, answer.retry_after)
        if events:
            self._events.acknowledge(events)
        self._hardware_sent = digest or self._hardware_sent

    def _build(self, events: list[EventInfo], hardware: HardwareInfo | None) -> Heartbeat:
        report = self._report()
        return Heartbeat(
            status="degraded" if report.degraded else "up",
            version=report.version,
            workloads=list(report.workloads),
            hardware=hardware,
            upgrade=UpgradeStatus(current_commit_id="unknown"),
            events=list(events),
            agent_version=self._agent_version,
        )

    async def _hardware(self) -> tuple[HardwareInfo | None, str]:
        """Return the inventory if this heartbeat shall carry it: always, or with scope delta only after a change."""
        if not self._profile.include:
            return None, ""
        hardware = await asyncio.to_thread(self._inventory)
        digest = hashlib.sha256(encode(hardware)).hexdigest()
        if self._profile.scope == "delta" and digest == self._hardware_sent:
            return None, ""
        return hardware, digest
