# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/adoption.py: change that.
"""Takes devices back that the control plane does not know, for `flotta adopt` and `edge_device`.

Rules: docs/reference/control-plane.md#adoption.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ..fleet.adoption import (
    FORMER_KEY_ANNOTATION,
    FORMER_UID_ANNOTATION,
)
from ..fleet.joining import KEY_ANNOTATION, UNREGISTERED_LABEL
from ..fleet.tombstones import read_tombstone, tombstone_name
from ..fleet.unknown_devices import UNKNOWN_SELECTOR, UnknownDevice, read_record
from ..resources.changes import MetadataChange, change_metadata
from ..resources.client import Client, Forbidden
from ..resources.finalizers import DEVICE_FINALIZER
from ..resources.kinds import CONFIG_MAP, EDGE_DEVICE, NAMESPACE, WITHHELD_ANNOTATION
from ..resources.objects.devices import EdgeDevice
from ..resources.views import is_being_deleted, status_of
from ..rfc3339 import parse_time
from ..settings.common import NAMESPACE as OWN_NAMESPACE


class AdoptionError(ValueError):
    """A device cannot be adopted; the text is a sentence with the next step."""


def own_namespace() -> str:
    """Return the namespace of the control plane."""
    return OWN_NAMESPACE.read(os.environ)


async def list_unknown(client: Client, namespace: str | None = None) -> list[UnknownDevice]:
    """Return the devices that the control plane does not know, of one namespace or of all.

    Raises ApiError.
    """
    config_maps = await client.list(CONFIG_MAP, own_namespace(), label_selector=UNKNOWN_SELECTOR)
    records = (read_record(config_map) for config_map in config_maps)
    found = (record for record in records if record is not None)
    chosen = [device for device in found if namespace in (None, device.namespace)]
    return sorted(chosen, key=lambda device: (device.namespace, device.name, device.last_seen))


async def list_visible_unknown(client: Client, namespace: str | None = None) -> list[UnknownDevice]:
    """Return what `list_unknown` does, nothing to a user who may not see the records.

    Who may see devices need not see the control plane's own objects.
    """
    try:
        return await list_unknown(client, namespace)
    except Forbidden:
        return []


async def adopt(client: Client, unknown: UnknownDevice, labels: Mapping[str, str]) -> EdgeDevice:
    """Let the EdgeDevice of its name accept an unknown device, and return it; create it if needed.

    Raises AdoptionError, ApiError.
    """
    await _require_namespace(client, unknown)
    device = await client.get_or_none(EDGE_DEVICE, unknown.name, unknown.namespace)
    _require_free(unknown, device)
    await _drop_held_tombstone(client, unknown)
    annotations = {
        FORMER_UID_ANNOTATION: unknown.identity.uid,
        FORMER_KEY_ANNOTATION: unknown.identity.key_fingerprint,
        KEY_ANNOTATION: unknown.identity.key_fingerprint,
        WITHHELD_ANNOTATION: "true",
    }
    if device is None:
        return await client.create(
            EDGE_DEVICE,
            {
                "metadata": {
                    "name": unknown.name,
                    "namespace": unknown.namespace,
                    "labels": dict(labels),
                    "annotations": annotations,
                    # A deletion before the operator has seen the object is recorded as well.
                    "finalizers": [DEVICE_FINALIZER],
                },
                "spec": {},
            },
        )
    change: MetadataChange = {
        "labels": {**labels, UNREGISTERED_LABEL: None},
        "annotations": {**annotations},
    }
    return await client.merge_patch(
        EDGE_DEVICE, unknown.name, unknown.namespace, change_metadata(change)
    )


def is_named(unknown: UnknownDevice, name: str) -> bool:
    """Tell whether a name is that of the device or of its record."""
    return name in (unknown.name, unknown.record_name)


def find_newest(found: Iterable[UnknownDevice], name: str) -> UnknownDevice | None:
    """Return the unknown device of a name in one namespace; of several the one seen last.

    Raises AdoptionError when the name belongs to several keys: one of them may be that of a device
    that was replaced or stolen, and whoever reports last is not proved to be the right one.
    """
    named = [device for device in found if is_named(device, name)]
    if len({device.identity.key_fingerprint for device in named}) > 1:
        records = "; ".join(
            f"{device.record_name} (key {device.identity.key_fingerprint[:12]}, last seen "
            f"{device.last_seen})"
            for device in named
        )
        raise AdoptionError(
            f"devices with different keys are unknown as {name}; find out which of them is yours, "
            f"and adopt it by the name of its record: {records}"
        )
    return max(named, key=lambda device: device.last_seen, default=None)


async def _require_namespace(client: Client, unknown: UnknownDevice) -> None:
    if await client.get_or_none(NAMESPACE, unknown.namespace) is None:
        raise AdoptionError(
            f"{unknown.name} belongs to namespace {unknown.namespace}, which does not exist; "
            f"create it with its workloads first: kubectl create namespace {unknown.namespace}"
        )


def _require_free(unknown: UnknownDevice, device: EdgeDevice | None) -> None:
    """Refuse a name that another device uses."""
    if device is None:
        return
    if is_being_deleted(device):
        raise AdoptionError(
            f"EdgeDevice {unknown.name} is being deleted; wait until it is gone, then adopt again"
        )
    seen = parse_time(status_of(device).get("lastSeenTime") or "")
    created = parse_time(device["metadata"].get("creationTimestamp", ""))
    if seen is not None and created is not None and seen >= created:
        raise AdoptionError(
            f"another device reports as {unknown.name} to its EdgeDevice; give one of the two "
            "another device id"
        )


async def _drop_held_tombstone(client: Client, unknown: UnknownDevice) -> None:
    if not unknown.identity.uid:
        return
    name = tombstone_name(unknown.identity.uid)
    tombstone = read_tombstone(await client.get_or_none(CONFIG_MAP, name, own_namespace()))
    if tombstone is None:
        return
    if tombstone.granted:
        raise AdoptionError(
            f"{unknown.name} was decommissioned and wipes itself; to bring it back, run the role "
            "flotta.edge.device for it after that"
        )
    await client.delete(CONFIG_MAP, name, own_namespace())
