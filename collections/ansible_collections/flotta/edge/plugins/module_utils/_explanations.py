# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""The sentences of `flotta explain` about devices and workloads that a module returns. Each list is read once, for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.explanation import (
        explain_device,
        explain_workload,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.joining import (
        REQUEST_NAMESPACE,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        EDGE_WORKLOAD,
        EVENT,
        SIGNED_REQUEST,
        Kind,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.core import (
        Event,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.workloads import (
        EdgeWorkload,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        key_of,
        name_of,
        namespace_of,
        spec_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


async def explained_devices(client: Client, devices: Sequence[EdgeDevice]) -> list[Manifest]:
    """Return the devices with `explanation`, a list of sentences. Raises ApiError."""
    namespace = _only_namespace(devices)
    workloads = await client.list(EDGE_WORKLOAD, namespace)
    requests = await client.list(SIGNED_REQUEST, REQUEST_NAMESPACE)
    asked = {(spec_of(item).get("targetNamespace"), name_of(item)): item for item in requests}
    events = await _events_by_object(client, EDGE_DEVICE, devices)
    return [
        {
            **device,
            "explanation": explain_device(
                device,
                [item for item in workloads if namespace_of(item) == namespace_of(device)],
                events.get(key_of(device), ()),
                asked.get(key_of(device)),
            ),
        }
        for device in devices
    ]


async def explained_workloads(client: Client, workloads: Sequence[EdgeWorkload]) -> list[Manifest]:
    """Return the workloads with `explanation`, a list of sentences. Raises ApiError."""
    namespace = _only_namespace(workloads)
    devices = await client.list(EDGE_DEVICE, namespace)
    events = await _events_by_object(client, EDGE_WORKLOAD, workloads)
    return [
        {**item, "explanation": explain_workload(item, devices, events.get(key_of(item), ()))}
        for item in workloads
    ]


def _only_namespace(objects: Sequence[Any]) -> str | None:
    """Return the namespace of all objects, None when there are several."""
    namespaces = {namespace_of(item) for item in objects}
    return namespaces.pop() if len(namespaces) == 1 else None


async def _events_by_object(
    client: Client, kind: Kind[Any], objects: Sequence[Any]
) -> dict[tuple[str, str], list[Event]]:
    """Return the Events about objects of a kind, and maybe about others of it, by namespace and name."""
    namespace, selector = _only_namespace(objects), f"involvedObject.kind={kind.kind}"
    if len(objects) == 1:
        selector += f",involvedObject.name={name_of(objects[0])}"
    found: dict[tuple[str, str], list[Event]] = {}
    for event in await client.list(EVENT, namespace, field_selector=selector):
        involved = event.get("involvedObject") or {}
        key = involved.get("namespace", ""), involved.get("name", "")
        found.setdefault(key, []).append(event)
    return found
