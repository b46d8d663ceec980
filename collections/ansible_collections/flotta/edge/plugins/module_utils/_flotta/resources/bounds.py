# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/resources/bounds.py: change that.
"""Values cut to what the schema of their kind allows, so that the API never refuses a report.

The limits are those of the CRDs (docs/reference/crds.md), so that they stand in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar, cast

from ..printable_text import cut, printable
from ..resources.crds import load_crd
from ..resources.kinds import Kind
from ..resources.objects.meta import CustomResource, Manifest, Resource, SpecT, StatusT

Schema = Mapping[str, object]
PartT = TypeVar("PartT", bound=Manifest)
TextBound = Callable[[str, int], str]  # from a text and its limit to the text that is kept


@cache
def schema_at(kind: Kind[Resource], *path: str) -> Schema:
    """Return the schema of a field of one of our kinds, as `("status", "hardware")`."""
    node: Schema = load_crd(kind.kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path:
        node = _schema_below(node, step)
    return node


def fit_report(value: PartT, kind: Kind[Resource], *path: str) -> PartT:
    """Return what a device reported as the field at `path` may hold it: cut, and printable."""
    return cast("PartT", _fit(value, schema_at(kind, *path), printable))


def fit_changes(
    kind: Kind[CustomResource[SpecT, StatusT]],
    old: StatusT,
    new: StatusT,
    bound: TextBound = cut,
) -> StatusT:
    """Return the new status with its changed fields cut to the lengths and counts of the schema.

    Unchanged fields are left as they are: an API server accepts what stands in them already.
    """
    schema = schema_at(kind, "status")
    fitted = {
        name: value if old.get(name) == value else _fit(value, _schema_below(schema, name), bound)
        for name, value in new.items()
    }
    return cast("StatusT", fitted)


def fit_whole(kind: Kind[CustomResource[SpecT, StatusT]], status: StatusT) -> StatusT:
    """Return the status with all of it cut to the lengths and counts of the schema.

    For an API server that checks unchanged fields as well (Kubernetes before 1.30).
    """
    return cast("StatusT", _fit(status, schema_at(kind, "status"), cut))


def _fit(value: object, schema: Schema, bound: TextBound) -> object:
    if isinstance(value, str):
        limit = schema.get("maxLength")
        return bound(value, limit) if isinstance(limit, int) else value
    if isinstance(value, list):
        most, items = schema.get("maxItems"), cast("Schema", schema.get("items", {}))
        kept = value[:most] if isinstance(most, int) else value
        return [_fit(item, items, bound) for item in kept]
    if isinstance(value, Mapping):
        return {key: _fit(item, _schema_below(schema, key), bound) for key, item in value.items()}
    return value


def _schema_below(schema: Schema, field: str) -> Schema:
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    other = schema.get("additionalProperties")
    return properties.get(field) or (other if isinstance(other, Mapping) else {})
