"""The uses of registration batches: how many devices have joined with one.

A use is a ConfigMap whose name is that of a slot, so its creation is the claim: no two replicas
give the same slot to two devices, and the count outlives every program
(docs/reference/control-plane.md#uses-of-a-batch).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

from flotta.edge_api.backends.crd.slots import Slots, Use
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet.registration_batches import BATCH_LABEL, UseFields, use_name
from flotta.protocol.reasons.refusals import (
    REGISTRATION_BATCH_EXHAUSTED,
    TOO_MANY_ENROLMENTS,
)
from flotta.resources.cache import Cache
from flotta.resources.client import AlreadyExists, Client, NotFound
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
        self._slots: defaultdict[str, Slots] = defaultdict(Slots)  # by UID of the batch
        config_maps.subscribe(self._config_map_changed)

    def require_place(self, batch: Batch, device_id: str) -> None:
        """Refuse a device when every slot is known to be another's."""
        slots, uses = self._known(batch), batch.specification.uses
        if uses is not None and len(slots) >= uses and slots.find(device_id) is None:
            raise _exhausted(batch, uses)

    def has_use(self, batch: Batch, device_id: str) -> bool:
        """Tell whether a device is known to have a use of the batch."""
        return self._known(batch).find(device_id) is not None

    async def claim(self, batch: Batch, device_id: str, use: UseFields) -> Use | None:
        """Give the device a slot of the batch; one that it has stays its only one.

        Returns the use, which another key may hold; None if the batch has no limit. Raises Refusal
        403 when as many as there are, or more, are others'; 429 when others took
        all that it tried.
        """
        slots, uses = self._known(batch), batch.specification.uses
        if uses is None:
            return None
        if own := slots.find(device_id):
            return own
        self.require_place(batch, device_id)
        left = uses - len(slots)
        for slot in slots.candidates(device_id, uses):
            if taken := await self._take(batch, use_name(batch.name, slot), device_id, use):
                return taken
            left -= 1
        raise _exhausted(batch, uses) if left <= 0 else _contended()

    async def hand_over(self, use: Use, key_fingerprint: str) -> None:
        """Note that the device joins with this key: from now on it holds the use."""
        if use.key_fingerprint == key_fingerprint:
            return
        patch = {"data": {"keyFingerprint": key_fingerprint}}
        with suppress(NotFound):  # somebody gave the use back a moment ago
            await self._client.merge_patch(CONFIG_MAP, use.name, self._namespace, patch)

    def _known(self, batch: Batch) -> Slots:
        return self._slots.get(batch.uid) or Slots()

    async def _take(self, batch: Batch, name: str, device_id: str, use: UseFields) -> Use | None:
        """Create the use of this name; return it if it is the device's now, or was before."""
        data: UseFields = {**use, "deviceID": device_id, "at": format_time(datetime.now(UTC))}
        try:
            await self._client.create(CONFIG_MAP, self._new_use(batch, name, data))
        except AlreadyExists:
            found = await self._client.get_or_none(CONFIG_MAP, name, self._namespace)
            held = _read(found, batch.uid) if found else None
            return held if held is not None and held.device_id == device_id else None
        log.info("%s has use %s of registration batch %s", device_id, name, batch.name)
        return Use(name, device_id, data.get("keyFingerprint", ""))

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
                self._note(uid, name_of(found), None if found is old else _read(found, uid))

    def _note(self, uid: str, name: str, use: Use | None) -> None:
        if use is not None:
            self._slots[uid].put(use)
            return
        self._slots[uid].discard(name)
        if not self._slots[uid]:
            del self._slots[uid]


def _owners_of(config_map: ConfigMap) -> list[str]:
    return [owner["uid"] for owner in config_map["metadata"].get("ownerReferences", [])]


def _read(config_map: ConfigMap, batch_uid: str) -> Use | None:
    """Return the use of this batch, None for one of another.

    A batch of the same name that was deleted leaves its uses for a moment.
    """
    if batch_uid not in _owners_of(config_map):
        return None
    data = config_map.get("data") or {}
    return Use(name_of(config_map), data.get("deviceID", ""), data.get("keyFingerprint", ""))


def _exhausted(batch: Batch, uses: int) -> Refusal:
    return Refusal(
        403,
        f"registration batch {batch.name} admits {uses} devices, and as many have a use of it; "
        "issue another batch, raise `uses`, or delete the ConfigMap of a use that is not needed",
        reason=REGISTRATION_BATCH_EXHAUSTED,
    )


def _contended() -> Refusal:
    return Refusal(
        429,
        "other devices took the uses of the batch that were tried; try again",
        reason=TOO_MANY_ENROLMENTS,
        retry_after=5,
    )
