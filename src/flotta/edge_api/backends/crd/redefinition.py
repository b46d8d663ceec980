"""Withholds configurations once after the CustomResourceDefinition of EdgeWorkloads was replaced.

EdgeDevice and definition say all that it takes, so it makes no difference whether the device was
offline or the Edge API did not run when that happened
(docs/reference/control-plane.md#objects-that-go-with-their-namespace).
"""

from __future__ import annotations

import logging
from contextlib import suppress

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.removals import Removals
from flotta.fleet.redefinition import may_precede, outlived_definition, withhold_for
from flotta.resources.changes import as_read
from flotta.resources.client import Client, Conflict
from flotta.resources.deletion_scope import Definition
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import key_of, name_of, namespace_of, uid_of

log = logging.getLogger(__name__)


class Redefinition:
    """Compares devices and cached EdgeWorkloads with the definition that exists."""

    def __init__(self, client: Client, caches: Caches, removals: Removals) -> None:
        self._client = client
        self._caches = caches
        self._removals = removals
        self._existing: dict[str, tuple[str, frozenset[str]]] = {}  # by namespace: see `_exist`

    async def withhold(self, device: EdgeDevice) -> str | None:
        """Return a sentence if a device gets no configuration for now, else None.

        Relies on what `Removals.find_ending` found for its namespace. Raises ApiError.
        """
        definition = self._removals.definition(namespace_of(device))
        if definition is None or not outlived_definition(device, definition):
            return None
        newest = await self._client.get_or_none(EDGE_DEVICE, name_of(device), namespace_of(device))
        if newest is not None and outlived_definition(newest, definition):
            await self._annotate(newest, definition)
        return "the CustomResourceDefinition of EdgeWorkloads is younger than the device"

    async def find_obstacle(self, namespace: str) -> str | None:
        """Return a sentence when no configuration of a namespace may be released, else None.

        That is so while an EdgeWorkload in the cache may be one that is gone. Raises ApiError.
        """
        ending = await self._removals.find_ending(namespace, reread=True)
        if ending:
            return ending
        definition = self._removals.definition(namespace)
        workloads = self._caches.workloads(namespace)
        doubtful = {uid_of(item) for item in workloads if may_precede(item, definition)}
        if definition is None or await self._exist(namespace, definition.uid, doubtful):
            return None
        return "this server still has EdgeWorkloads in its cache that are gone"

    async def _annotate(self, device: EdgeDevice, definition: Definition) -> None:
        log.info("%s/%s is older than the definition of EdgeWorkloads", *key_of(device))
        patch = as_read(withhold_for(definition), device)
        with suppress(Conflict):  # the device asks again
            await self._client.merge_patch(
                EDGE_DEVICE, name_of(device), namespace_of(device), patch
            )

    async def _exist(self, namespace: str, definition: str, uids: set[str]) -> bool:
        """Tell whether these EdgeWorkloads exist; the API is asked once for each definition."""
        known, existing = self._existing.get(namespace, ("", frozenset[str]()))
        if known == definition and uids <= existing:
            return True
        if not uids:
            return True
        listed = await self._client.list(EDGE_WORKLOAD, namespace)
        existing = frozenset(map(uid_of, listed))
        self._existing[namespace] = definition, existing
        return uids <= existing
