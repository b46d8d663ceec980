"""Who owns which field (metadata.managedFields)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flotta.apiserver.registry import Resource

JsonObject = dict[str, Any]


def track_create(
    obj: JsonObject, sent: JsonObject, resource: Resource, manager: str, operation: str
) -> None:
    obj["metadata"].pop("managedFields", None)


def track_update(
    obj: JsonObject, old: JsonObject, resource: Resource, subresource: str, manager: str
) -> None:
    obj["metadata"].pop("managedFields", None)
