# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/changes.py: change that.
"""Merge patches of objects, checked against the types of their kinds.

Spec and status are given as a whole: the patch contains the difference, and a field that is missing
is removed. So mypy finds a misspelt field here as it does where objects are read.
"""

from __future__ import annotations

from typing import TypedDict

from ..merge_patch import apply_merge_patch, make_merge_patch
from ..resources.objects.meta import CustomResource, MergePatch, Resource, SpecT, StatusT
from ..resources.views import spec_of, status_of


class MetadataChange(TypedDict, total=False):
    """A change of an object's metadata; None removes a label or annotation."""

    labels: dict[str, str | None]
    annotations: dict[str, str | None]
    finalizers: list[str]  # the complete new list


def change_metadata(change: MetadataChange) -> MergePatch:
    """Return the patch that makes this change, empty for none."""
    return {"metadata": change} if change else {}


def change_spec(target: CustomResource[SpecT, StatusT], spec: SpecT) -> MergePatch:
    """Return the patch that gives `target` this spec, empty when it has it already."""
    old: SpecT = spec_of(target)
    change = make_merge_patch(old, spec)
    return {"spec": change} if change else {}


def change_status(target: CustomResource[SpecT, StatusT], status: StatusT) -> MergePatch:
    """Return the patch that gives `target` this status, empty when it has it already."""
    old: StatusT = status_of(target)
    change = make_merge_patch(old, status)
    return {"status": change} if change else {}


def at_version(patch: MergePatch, version: str) -> MergePatch:
    """Return the patch, which then raises Conflict for an object of another resourceVersion."""
    versioned: MergePatch = apply_merge_patch(patch, {"metadata": {"resourceVersion": version}})
    return versioned


def as_read(patch: MergePatch, target: Resource) -> MergePatch:
    """Return the patch, which then raises Conflict if `target` changed since it was read."""
    return at_version(patch, target["metadata"]["resourceVersion"])
