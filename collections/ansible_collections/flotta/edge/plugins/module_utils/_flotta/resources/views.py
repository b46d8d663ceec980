# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/views.py: change that.
"""Read-only views of the fields that objects have in common and that the API may leave out.

What they return must not be changed: it belongs to the object, which is often in a cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ..resources.objects.meta import (
    Condition,
    CustomResource,
    Manifest,
    Resource,
    SpecT,
    StatusT,
)

Key = tuple[str, str]  # namespace (empty for a kind without namespaces), name


def name_of(resource: Resource) -> str:
    """Return `metadata.name`."""
    return resource["metadata"]["name"]


def namespace_of(resource: Resource) -> str:
    """Return `metadata.namespace`, "" for an object without a namespace."""
    return resource["metadata"].get("namespace", "")


def key_of(resource: Resource) -> Key:
    """Return what identifies an object among those of its kind."""
    return namespace_of(resource), name_of(resource)


def uid_of(resource: Resource) -> str:
    """Return `metadata.uid` of an object that was read from the API."""
    return resource["metadata"]["uid"]


def labels_of(resource: Resource) -> Mapping[str, str]:
    """Return the labels."""
    return resource["metadata"].get("labels") or {}


def annotations_of(resource: Resource) -> Mapping[str, str]:
    """Return the annotations."""
    return resource["metadata"].get("annotations") or {}


def finalizers_of(resource: Resource) -> list[str]:
    """Return a copy of the finalizers."""
    return list(resource["metadata"].get("finalizers") or ())


def generation_of(resource: Resource) -> int:
    """Return `metadata.generation`, 0 for a kind without one."""
    return resource["metadata"].get("generation", 0)


def is_owned_by(resource: Resource, owner: Resource) -> bool:
    """Tell whether an owner reference names this very object; a UID is never used twice."""
    owners = resource["metadata"].get("ownerReferences") or ()
    return any(entry.get("uid") == uid_of(owner) for entry in owners)


def is_being_deleted(resource: Resource) -> bool:
    """Tell whether the object is being deleted, which its finalizers may delay."""
    return bool(resource["metadata"].get("deletionTimestamp"))


def spec_of(resource: CustomResource[SpecT, StatusT]) -> SpecT:
    """Return the spec, an empty one when there is none."""
    return resource.get("spec") or cast("SpecT", {})


def status_of(resource: CustomResource[SpecT, StatusT]) -> StatusT:
    """Return the status, an empty one when there is none."""
    return resource.get("status") or cast("StatusT", {})


def conditions_of(resource: Resource) -> Sequence[Condition]:
    """Return `status.conditions`."""
    status = cast("CustomResource[Manifest, dict[str, list[Condition]]]", resource).get("status")
    return (status or {}).get("conditions") or ()
