"""Heartbeats, whose news are written to the EdgeDevice, its labels and Events.

What changes is in docs/reference/control-plane.md#heartbeats-and-status.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from flotta.edge_api.backends.crd.events import Events
from flotta.edge_api.backends.crd.hardware_labels import HardwareLabels
from flotta.edge_api.backends.crd.presence import PresenceTracker
from flotta.edge_api.backends.crd.statuses import StatusChange, Statuses
from flotta.edge_api.backends.crd.withholding import Withholding
from flotta.edge_api.refusals import Refusal
from flotta.fleet import heartbeat, presence
from flotta.fleet.adoption import is_withheld
from flotta.protocol.models import Heartbeat
from flotta.protocol.reasons.refusals import UNKNOWN_DEVICE
from flotta.resources.client import NotFound
from flotta.resources.objects.devices import DeviceCertificate, EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import Key, status_of

MESSAGE_ID_LIMIT = 64  # characters of the last message's id that are remembered; a UUID has 36


class HeartbeatRecorder:
    """Writes heartbeats, one of a device after the other."""

    def __init__(
        self,
        statuses: Statuses,
        presence: PresenceTracker,
        events: Events,
        labels: HardwareLabels,
        withholding: Withholding,
    ) -> None:
        self._statuses = statuses
        self._presence = presence
        self._events = events
        self._labels = labels
        self._withholding = withholding
        self._locks: dict[Key, asyncio.Lock] = {}
        self._last_message: dict[Key, str] = {}

    async def record(
        self, key: Key, message_id: str, beat: Heartbeat, certificate: DeviceCertificate
    ) -> EdgeDeviceStatus:
        """Write what is new; return the status that the device has then.

        `certificate` is the one that the heartbeat came with.
        Raises Refusal 404 for a device that does not exist, and ApiError.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            try:
                return await self._apply(key, message_id[:MESSAGE_ID_LIMIT], beat, certificate)
            except NotFound as error:
                raise _unknown() from error

    def forget(self, key: Key) -> None:
        """Forget a device that does not exist any more."""
        self._last_message.pop(key, None)
        self._locks.pop(key, None)

    async def _apply(
        self, key: Key, message_id: str, beat: Heartbeat, certificate: DeviceCertificate
    ) -> EdgeDeviceStatus:
        now = datetime.now(UTC)
        repeated = bool(message_id) and self._last_message.get(key) == message_id
        known = self._statuses.newest_device(key)
        if known is not None and presence.ready_status(status_of(known)) == "Unknown":
            await self._labels.begin_again(known)
        written = await self._statuses.update(key, _heartbeat_change(beat, certificate, now))
        self._presence.record_heartbeat(key, now, certificate)
        device = written.device if written else self._statuses.newest_device(key)
        if device is None:
            raise _unknown()
        status = status_of(device)
        old, new = (written.old, written.new) if written else (status, status)
        await self._events.write_heartbeat_events(
            device, () if repeated else beat.events or (), old, new
        )
        self._last_message[key] = message_id
        if is_withheld(device):
            await self._withholding.review(device, beat)
        if beat.hardware is not None:
            await self._labels.write(device, old, new, beat.hardware)
        return new


def _unknown() -> Refusal:
    return Refusal(404, "the device does not exist", reason=UNKNOWN_DEVICE)


def _heartbeat_change(
    beat: Heartbeat, certificate: DeviceCertificate, now: datetime
) -> StatusChange:
    """Return the change of a status by a heartbeat.

    Its time alone is not written. Neither is a certificate where none is known: `presence` adds
    that to its next write, else a whole fleet would be written at once after an upgrade.
    """

    def change(device: EdgeDevice) -> EdgeDeviceStatus:
        old = status_of(device)
        new = heartbeat.apply_heartbeat(device, beat, now)
        if "certificate" in old:
            new = {**new, "certificate": certificate}
        if new == old and presence.mark_heard(new, now).get("conditions") == old.get("conditions"):
            return old
        new = {**new, "certificate": certificate}
        return presence.mark_heard(new, now, device["metadata"].get("generation"))

    return change
