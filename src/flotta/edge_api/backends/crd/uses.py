"""The uses of registration batches: how many devices have joined with one.

A use is a ConfigMap whose name is that of a slot, so its creation is the claim: no two replicas
give the same slot to two devices, and the count outlives every program
(docs/reference/control-plane.md#uses-of-a-batch).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import UTC, datetime
from typing import cast

from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet.registration_batches import BATCH_LABEL, UseFields, probe_slots, use_name
from flotta.protocol.reasons.refusals import REGISTRATION_BATCH_EXHAUSTED
from flotta.resources.cache import Cache
from flotta.resources.client import AlreadyExists, Client
from flotta.resources.kinds import CONFIG_MAP, SECRET
from flotta.resources.objects.core import ConfigMap
from flotta.resources.objects.meta import OwnerReference
from flotta.resources.views import labels_of, name_of, namespace_of
from flotta.rfc3339 import format_time

log = logging.getLogger(__name__)


class Uses:
    """Claims slots of batches for devices."""

    def __init__(self, client: Client, config_maps: Cache[ConfigMap], namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        # The device ids by name of the use, by UID of the batch.
        self._slots: defaultdict[str, dict[str, str]] = defaultdict(dict)
        config_maps.subscribe(self._config_map_changed)

    def require_place(self, batch: Batch, device_id: str) -> None:
        """Refuse a device when every slot is known to be another's."""
        known = self._slots.get(batch.uid, {})
        uses = batch.specification.uses
        if uses is not None and len(known) >= uses and device_id not in known.values():
            raise _exhausted(batch, uses)

    async def claim(self, batch: Batch, device_id: str, use: UseFields) -> None:
        """Give the device a slot of the batch; one that it has stays its only one.

        Raises Refusal 403 when all are others'.
        """
        uses = batch.specification.uses
        if uses is None:
            return
        known = self._slots.get(batch.uid, {})
        if device_id in known.values():
            return
        for slot in probe_slots(device_id, uses):
            name = use_name(batch.name, slot)
            if name not in known and await self._take(batch, name, device_id, use):
                return
        raise _exhausted(batch, uses)

    async def _take(self, batch: Batch, name: str, device_id: str, use: UseFields) -> bool:
        """Create the use of this name; tell whether it is the device's now, or was before."""
        data: UseFields = {**use, "deviceID": device_id, "at": format_time(datetime.now(UTC))}
        try:
            await self._client.create(CONFIG_MAP, self._new_use(batch, name, data))
        except AlreadyExists:
            found = await self._client.get_or_none(CONFIG_MAP, name, self._namespace)
            return found is not None and _device_of(found, batch.uid) == device_id
        log.info("%s has use %s of registration batch %s", device_id, name, batch.name)
        return True

    def _new_use(self, batch: Batch, name: str, data: UseFields) -> ConfigMap:
        owner: OwnerReference = {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "name": batch.name,
            "uid": batch.uid,
        }
        return {
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {BATCH_LABEL: batch.name},
                "ownerReferences": [owner],
            },
            "data": cast("dict[str, str]", data),
        }

    def _config_map_changed(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        for found in (old, new):
            if found is None or namespace_of(found) != self._namespace:
                continue
            if BATCH_LABEL not in labels_of(found):
                continue
            for uid in _owners_of(found):
                self._note(uid, name_of(found), None if found is old else _device_of(found, uid))

    def _note(self, uid: str, name: str, device_id: str | None) -> None:
        if device_id is not None:
            self._slots[uid][name] = device_id
            return
        self._slots[uid].pop(name, None)
        if not self._slots[uid]:
            del self._slots[uid]


def _owners_of(config_map: ConfigMap) -> list[str]:
    return [owner["uid"] for owner in config_map["metadata"].get("ownerReferences", [])]


def _device_of(config_map: ConfigMap, batch_uid: str) -> str | None:
    """Return the device whose use of this batch it is, "" if it says none; None: of no such batch.

    A batch of the same name that was deleted leaves its uses for a moment.
    """
    if batch_uid not in _owners_of(config_map):
        return None
    return config_map.get("data", {}).get("deviceID", "")


def _exhausted(batch: Batch, uses: int) -> Refusal:
    return Refusal(
        403,
        f"registration batch {batch.name} admits {uses} devices, and as many have joined",
        reason=REGISTRATION_BATCH_EXHAUSTED,
    )
