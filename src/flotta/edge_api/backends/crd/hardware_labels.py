"""Writes the labels that are made from hardware reports (control-plane.md#hardware-labels)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from flotta.fleet.former_labels import begin_again, record_change, settle
from flotta.fleet.hardware import reported_labels
from flotta.fleet.self_asserted import change_labels
from flotta.protocol.hardware import HardwareInfo
from flotta.resources.changes import MetadataChange, as_read, change_metadata
from flotta.resources.client import Client, Invalid, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import name_of, namespace_of, status_of

log = logging.getLogger(__name__)


class HardwareLabels:
    """Keeps the labels of EdgeDevices as their hardware reports say."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin_again(self, device: EdgeDevice) -> None:
        """Let the hour after a change begin again: the device returns. Raises ApiError."""
        annotations = begin_again(device, datetime.now(UTC))
        if annotations:
            patch = change_metadata({"annotations": annotations})
            await self._client.merge_patch(
                EDGE_DEVICE, name_of(device), namespace_of(device), patch
            )

    async def write(
        self,
        device: EdgeDevice,
        old: EdgeDeviceStatus,
        new: EdgeDeviceStatus,
        report: HardwareInfo,
    ) -> None:
        """Write what a report changes, given a known EdgeDevice, its status before and with it.

        Raises ApiError.
        """
        if not plan_labels(device, old, new, report, datetime.now(UTC)):
            return

        async def write_newest() -> None:
            # As it is now: another replica may have changed labels that former ones depend on.
            newest = await self._client.get(EDGE_DEVICE, name_of(device), namespace_of(device))
            change = plan_labels(newest, old, status_of(newest), report, datetime.now(UTC))
            if change:
                await self._client.merge_patch(
                    EDGE_DEVICE,
                    name_of(device),
                    namespace_of(device),
                    as_read(change_metadata(change), newest),
                )

        try:
            await retry_on_conflict(write_newest)
        except Invalid as error:  # of the spec, by an API server that checks all of the object
            log.warning("The labels of %s could not be written: %s", name_of(device), error)


def plan_labels(
    device: EdgeDevice,
    old: EdgeDeviceStatus,
    new: EdgeDeviceStatus,
    report: HardwareInfo,
    now: datetime,
) -> MetadataChange | None:
    """Return the change of labels, or of what is remembered of them; None for nothing."""
    change = change_labels(device, old.get("hardware"), new.get("hardware"))
    annotations: dict[str, str | None] = {**change.annotations}
    if change.labels:
        annotations |= record_change(device, change.labels, now)
        return {"labels": {**change.labels}, "annotations": annotations}
    annotations |= settle(device, reported_labels(report), now)
    return {"annotations": annotations} if annotations else None
