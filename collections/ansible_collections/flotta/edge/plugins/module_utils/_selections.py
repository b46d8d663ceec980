# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Which objects a module reads: one by its name, or those of a namespace or of all that have certain labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        Kind,
        ResourceT,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

SELECTION_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "label_selector": {"type": "str"},
    "explain": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Selection(api.Connection):
    """The parameters of CONNECTION_SPEC and SELECTION_SPEC."""

    name: str | None
    namespace: str | None  # None: all namespaces, or `default` with a name
    label_selector: str | None  # ignored with a name
    explain: bool


async def read_selected(
    client: Client,
    kind: Kind[ResourceT],
    selection: Selection,
    explained: Callable[[Client, list[ResourceT]], Awaitable[Sequence[Any]]],
) -> Sequence[Any]:
    """Return the selected objects of a kind, as `explained` returns them if they are to be explained. Raises ApiError."""
    found = await _read(client, kind, selection)
    return await explained(client, found) if selection.explain and found else found


async def _read(client: Client, kind: Kind[ResourceT], selection: Selection) -> list[ResourceT]:
    if selection.name is not None:
        namespace = selection.namespace or "default"
        found = await client.get_or_none(kind, selection.name, namespace)
        return [found] if found else []
    return await client.list(kind, selection.namespace, label_selector=selection.label_selector)
