"""Events about devices and workloads; one that cannot be written is logged and fails no request.

All of them are in docs/reference/reasons.md#events.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.event_limits import EventLimits
from flotta.fleet.heartbeat import Transition, find_transitions
from flotta.fleet.problems import describe_problem
from flotta.fleet.rendering import Problem
from flotta.limited_log import LimitedLog
from flotta.own_names import EDGE_API
from flotta.printable_text import printable
from flotta.protocol.models import EventInfo
from flotta.protocol.reasons.conditions import HEARTBEAT_MISSED
from flotta.protocol.reasons.events import DEVICE
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, Kind, ResourceT
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import name_of, namespace_of

EVENTS_PER_HEARTBEAT = 50  # that the device reported; more are dropped
log = logging.getLogger(__name__)


class Events:
    """Writes Events under the name of the Edge API."""

    def __init__(self, client: Client, caches: Caches, limits: EventLimits) -> None:
        self._client = client
        self._caches = caches
        self._limits = limits  # of what devices cause
        self._failures = LimitedLog(log)

    async def write_heartbeat_events(
        self,
        device: EdgeDevice,
        reported: Iterable[EventInfo | None],
        old: EdgeDeviceStatus,
        new: EdgeDeviceStatus,
    ) -> None:
        """Write the events that the device reported, and which workloads failed or recovered.

        Those beyond the limits of the device are left out (docs/reference/control-plane.md#limits).
        """
        given = [event for event in reported if event is not None]
        events = given[:EVENTS_PER_HEARTBEAT]
        self._limits.count_dropped("number", len(given) - len(events))
        for event in events:
            await self._write_reported(device, event)
        said = {printable(event.message) for event in events}  # as the status has them
        explained = {event.workload for event in events if event.type == "warn"}
        for transition in find_transitions(old, new):
            if transition.failing and transition.workload in explained:
                continue  # the device reported it in its own words
            await self._write_transition(
                device, transition, on_device=transition.message not in said
            )

    async def write_problems(self, device: EdgeDevice, problems: Iterable[Problem]) -> None:
        """Write problems of the configuration on the device and on the workload concerned."""
        for problem in problems:
            await self._write(
                device, EDGE_DEVICE, "Warning", problem.reason, describe_problem(problem)
            )
            workload = self._workload(device, problem.workload)
            if workload is not None:
                text = f"{name_of(device)}: {problem.message}"
                await self._write(workload, EDGE_WORKLOAD, "Warning", problem.reason, text)

    async def write_silence(self, device: EdgeDevice) -> None:
        """Write that no more heartbeats arrive."""
        await self._write(
            device,
            EDGE_DEVICE,
            "Warning",
            HEARTBEAT_MISSED,
            "The device stopped sending heartbeats.",
        )

    async def _write_reported(self, device: EdgeDevice, event: EventInfo) -> None:
        type_ = "Warning" if event.type == "warn" else "Normal"
        reason = event.reason or DEVICE
        text = f"{event.workload}: {event.message}" if event.workload else event.message
        await self._write_about_device(device, type_, reason, text)
        await self._write_about_workload(device, event.workload, type_, reason, event.message)

    async def _write_transition(
        self, device: EdgeDevice, transition: Transition, *, on_device: bool
    ) -> None:
        type_ = "Warning" if transition.failing else "Normal"
        if on_device:
            text = f"{transition.workload}: {transition.message}"
            await self._write_about_device(device, type_, transition.reason, text)
        await self._write_about_workload(
            device, transition.workload, type_, transition.reason, transition.message
        )

    async def _write_about_device(
        self, device: EdgeDevice, type_: str, reason: str, message: str
    ) -> None:
        if self._limits.admit(device, EDGE_DEVICE, device):
            await self._write(device, EDGE_DEVICE, type_, reason, message)

    async def _write_about_workload(
        self, device: EdgeDevice, name: str, type_: str, reason: str, message: str
    ) -> None:
        workload = self._workload(device, name)
        if workload is None or not self._limits.admit_workload(device, workload):
            return
        if self._limits.admit(device, EDGE_WORKLOAD, workload):
            text = f"{name_of(device)}: {message}"
            await self._write(workload, EDGE_WORKLOAD, type_, reason, text)

    def _workload(self, device: EdgeDevice, name: str) -> EdgeWorkload | None:
        return self._caches.lookup(EDGE_WORKLOAD, namespace_of(device), name) if name else None

    async def _write(
        self, involved: ResourceT, kind: Kind[ResourceT], type_: str, reason: str, message: str
    ) -> None:
        try:
            await self._client.record_event(
                involved,
                kind=kind,
                type_=type_,
                reason=reason,
                message=message,
                component=EDGE_API,
            )
        except ApiError as error:
            self._failures.log(
                logging.WARNING,
                "Event %s about %s could not be recorded: %s",
                printable(reason, 64),
                name_of(involved),
                printable(str(error)),
            )
