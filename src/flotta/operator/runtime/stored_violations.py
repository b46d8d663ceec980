"""Objects that the API server does not let us change, because of what they store.

A schema may refuse what an earlier release stored. Kubernetes accepts it in unchanged fields from
1.30 on (docs/reference/resource-api.md#stored-objects-and-new-rules), and so does the embedded
engine. Before that, it refuses every change of such an object. A status is cut then as a whole; a
spec is the user's, so a condition says what to correct.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from flotta.merge_patch import apply_merge_patch
from flotta.protocol.reasons.conditions import STORED_VIOLATION
from flotta.resources.bounds import fit_whole
from flotta.resources.changes import as_read, change_status
from flotta.resources.client import ApiError, Client
from flotta.resources.conditions import UPDATABLE, ConditionState, find_condition, with_condition
from flotta.resources.kinds import Kind
from flotta.resources.objects.meta import Condition, CustomResource, Manifest, MergePatch, Resource
from flotta.resources.views import (
    conditions_of,
    generation_of,
    name_of,
    namespace_of,
    status_of,
)

StatusKind = Kind[CustomResource[Manifest, Manifest]]


def cut_status_patch(kind: Kind[Resource], target: Resource, patch: MergePatch) -> MergePatch:
    """Return the patch of a status that also cuts what is too long in it already."""
    new = apply_merge_patch(status_of(_custom(target)), patch.get("status"))
    fitted = fit_whole(cast("StatusKind", kind), new)
    return as_read(change_status(_custom(target), fitted), target)


async def report_violation(
    client: Client, kind: Kind[Resource], target: Resource, error: ApiError
) -> None:
    """Say in condition Updatable which stored fields prevent changes; no error if that fails."""
    text = f"The API refuses changes, because of what the object stores: {error.message}"
    state: ConditionState = ("False", STORED_VIOLATION, text)
    known = find_condition(conditions_of(target), UPDATABLE)
    if known is None or known.get("message") != text:
        now, generation = datetime.now(UTC), generation_of(target)
        conditions = with_condition(conditions_of(target), UPDATABLE, *state, now, generation)
        await _write_conditions(client, kind, target, conditions)


async def clear_violation(client: Client, kind: Kind[Resource], changed: Resource) -> Resource:
    """Remove condition Updatable of an object after a change; return the object as it is then."""
    conditions = conditions_of(changed)
    if find_condition(conditions, UPDATABLE) is None:
        return changed
    kept = [condition for condition in conditions if condition.get("type") != UPDATABLE]
    return await _write_conditions(client, kind, changed, kept) or changed


async def _write_conditions(
    client: Client, kind: Kind[Resource], target: Resource, conditions: list[Condition]
) -> Resource | None:
    patch = as_read({"status": {"conditions": conditions}}, target)
    try:
        return await client.merge_patch(
            kind, name_of(target), namespace_of(target), patch, "status"
        )
    except ApiError:
        return None  # the refused change itself is logged, and tried again


def _custom(target: Resource) -> CustomResource[Manifest, Manifest]:
    return cast("CustomResource[Manifest, Manifest]", target)
