"""Withholds the first configuration of a device until it would keep what the device runs.

An EdgeDevice that was adopted or registered again may not have its labels yet. A configuration
without the workloads that the device runs would make it remove them with their files
(docs/reference/control-plane.md#adoption).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime

from flotta.edge_api.backends.crd.configurations import Configurations
from flotta.edge_api.backends.crd.redefinition import Redefinition
from flotta.edge_api.backends.crd.statuses import Statuses
from flotta.fleet.adoption import find_losses, judge_release
from flotta.fleet.redefinition import reviewed_for
from flotta.protocol.models import Heartbeat
from flotta.resources.changes import as_read, change_metadata
from flotta.resources.client import Client, Conflict
from flotta.resources.conditions import CONFIGURATION_RELEASED, with_condition
from flotta.resources.kinds import EDGE_DEVICE, WITHHELD_ANNOTATION
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import conditions_of, key_of, name_of, namespace_of, status_of

log = logging.getLogger(__name__)


class Withholding:
    """Compares what devices report with what they would get."""

    def __init__(
        self,
        client: Client,
        configurations: Configurations,
        statuses: Statuses,
        redefinition: Redefinition,
    ) -> None:
        self._client = client
        self._configurations = configurations
        self._statuses = statuses
        self._redefinition = redefinition

    async def review(self, device: EdgeDevice, beat: Heartbeat) -> None:
        """Release the configuration if it keeps what the device reports; show it if it does not.

        Raises ApiError.
        """
        losses = self._find_losses(device, beat)
        if not losses:
            obstacle = await self._redefinition.find_obstacle(namespace_of(device))
            if obstacle:
                log.info("%s/%s gets no configuration yet: %s", *key_of(device), obstacle)
                return
            losses = self._find_losses(device, beat)  # with the workloads that were found to exist
        await self._show(device, losses)
        if not losses:
            await self._release(device)

    def _find_losses(self, device: EdgeDevice, beat: Heartbeat) -> list[str]:
        content = self._configurations.get(device).rendered.content
        running = [entry.name for entry in beat.workloads or () if entry is not None]
        return find_losses(running, [workload.name for workload in content.workloads or ()])

    async def _release(self, device: EdgeDevice) -> None:
        newest = await self._client.get(EDGE_DEVICE, name_of(device), namespace_of(device))
        if reviewed_for(newest) != reviewed_for(device):
            return  # it was withheld again since; the next heartbeat decides
        log.info("%s/%s keeps what it runs; it gets its configuration", *key_of(device))
        patch = as_read(change_metadata({"annotations": {WITHHELD_ANNOTATION: None}}), newest)
        with suppress(Conflict):
            await self._client.merge_patch(
                EDGE_DEVICE, name_of(device), namespace_of(device), patch
            )

    async def _show(self, device: EdgeDevice, losses: list[str]) -> None:
        def change(newest: EdgeDevice) -> EdgeDeviceStatus:
            conditions = with_condition(
                conditions_of(newest),
                CONFIGURATION_RELEASED,
                *judge_release(losses),
                datetime.now(UTC),
                newest["metadata"].get("generation"),
            )
            return {**status_of(newest), "conditions": conditions}

        await self._statuses.update(key_of(device), change)
