# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/decommissioning.py: change that.
"""Confirms the decommission of devices, for `flotta decommission` and `edge_device`.

See docs/reference/control-plane.md#the-brake-on-wipes.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ..cli.adoption import own_namespace
from ..cli.authors import name_author
from ..fleet.tombstones import (
    CONFIRMED_ANNOTATION,
    TOMBSTONE_SELECTOR,
    Tombstone,
    confirmed_by,
    make_confirmation,
    make_tombstone,
    read_tombstone,
    tombstone_name,
)
from ..resources.changes import change_metadata
from ..resources.client import Client
from ..resources.kinds import CONFIG_MAP, EDGE_DEVICE
from ..resources.objects.devices import EdgeDevice
from ..resources.views import is_being_deleted, name_of, namespace_of, uid_of


async def confirm_and_delete(client: Client, device: EdgeDevice, program: str) -> None:
    """Delete an EdgeDevice with an administrator's word, so that no brake holds it.

    `program` is what the administrator used. Raises ApiError.
    """
    name, namespace = name_of(device), namespace_of(device)
    if not confirmed_by(device):
        await _confirm(client, name, namespace, name_author(program))
    if not is_being_deleted(device):
        await client.delete(EDGE_DEVICE, name, namespace, uid=uid_of(device))


async def list_held(client: Client, namespace: str | None = None) -> list[Tombstone]:
    """Return the tombstones whose wipe waits for an administrator's word."""
    found = await client.list(CONFIG_MAP, own_namespace(), label_selector=TOMBSTONE_SELECTOR)
    tombstones = (read_tombstone(config_map) for config_map in found)
    held = [item for item in tombstones if item is not None and not item.granted]
    chosen = [item for item in held if namespace in (None, item.namespace)]
    return sorted(chosen, key=lambda item: (item.namespace, item.name))


async def grant(client: Client, held: Tombstone, program: str) -> None:
    """Give an administrator's word for a wipe that is held. Raises ApiError."""
    device = await client.get_or_none(EDGE_DEVICE, held.name, held.namespace)
    if device is not None and uid_of(device) == held.uid:
        await _confirm(client, held.name, held.namespace, name_author(program))
        return
    granted = make_tombstone(held.grant(name_author(program), datetime.now(UTC)), own_namespace())
    patch = {"data": granted.get("data"), "immutable": True}
    await client.merge_patch(CONFIG_MAP, tombstone_name(held.uid), own_namespace(), patch)


async def _confirm(client: Client, name: str, namespace: str, by: str) -> None:
    word = make_confirmation(by, datetime.now(UTC))
    patch = change_metadata({"annotations": {CONFIRMED_ANNOTATION: word}})
    await client.merge_patch(EDGE_DEVICE, name, namespace, patch)
