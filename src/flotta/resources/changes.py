"""Merge patches of objects, checked against the types of their kinds.

Spec and status are given as they are to be: the patch holds what is different, and a field that is
left out is removed. A misspelt field is then an error of mypy, as it is where objects are read.
"""

from __future__ import annotations

from typing import TypedDict

from flotta.merge_patch import apply_merge_patch, make_merge_patch
from flotta.resources.objects.meta import CustomResource, MergePatch, Resource, SpecT, StatusT
from flotta.resources.views import spec_of, status_of


class MetadataChange(TypedDict, total=False):
    """What is to change in an object's metadata; None removes a label or annotation."""

    labels: dict[str, str | None]
    annotations: dict[str, str | None]
    finalizers: list[str]  # all that are to be there


def change_metadata(change: MetadataChange) -> MergePatch:
    """Return the patch that makes this change, empty for none."""
    return {"metadata": change} if change else {}


def change_spec(target: CustomResource[SpecT, StatusT], spec: SpecT) -> MergePatch:
    """Return the patch that makes the spec of `target` this one, empty when it is."""
    old: SpecT = spec_of(target)
    change = make_merge_patch(old, spec)
    return {"spec": change} if change else {}


def change_status(target: CustomResource[SpecT, StatusT], status: StatusT) -> MergePatch:
    """Return the patch that makes the status of `target` this one, empty when it is."""
    old: StatusT = status_of(target)
    change = make_merge_patch(old, status)
    return {"status": change} if change else {}


def at_version(patch: MergePatch, version: str) -> MergePatch:
    """Return the patch, to be refused (Conflict) for an object of another resourceVersion."""
    versioned: MergePatch = apply_merge_patch(patch, {"metadata": {"resourceVersion": version}})
    return versioned


def as_read(patch: MergePatch, target: Resource) -> MergePatch:
    """Return the patch, to be refused (Conflict) when `target` is no longer what was read."""
    return at_version(patch, target["metadata"]["resourceVersion"])
