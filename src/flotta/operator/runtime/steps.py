"""The steps of a plan, and the one place that carries them out."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flotta.operator.runtime.stored_violations import (
    clear_violation,
    cut_status_patch,
    report_violation,
)
from flotta.own_names import OPERATOR
from flotta.protocol.reasons.reason import Code
from flotta.resources.bounds import fit_changes
from flotta.resources.changes import (
    MetadataChange,
    at_version,
    change_metadata,
    change_spec,
    change_status,
)
from flotta.resources.client import (
    AlreadyExists,
    ApiError,
    Client,
    Conflict,
    Invalid,
    NotFound,
    Unreachable,
)
from flotta.resources.kinds import Kind
from flotta.resources.objects.meta import (
    CustomResource,
    MergePatch,
    Resource,
    SpecT,
    StatusT,
)
from flotta.resources.views import name_of, namespace_of, status_of, uid_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Create:
    """The creation of an object; an existing one is left as it is.

    `on_refusal` returns the plan for the case that the API refuses it (not that it does not
    answer); the refusal is still an error, so that the creation is tried again.
    """

    kind: Kind[Resource]
    obj: Resource
    on_refusal: Callable[[ApiError], Plan] | None = None


@dataclass(frozen=True)
class Patch:
    """A merge patch of an object, which must not have changed since it was read (else Conflict).

    Made by `patch_metadata`, `patch_spec` and `patch_status`, which know the fields of the kind.
    """

    kind: Kind[Resource]
    target: Resource
    patch: MergePatch
    subresource: str | None = None


@dataclass(frozen=True)
class Delete:
    """The deletion of the object with this UID; it is fine if it no longer exists.

    If it must be `unchanged`, one that changed since it was read stays (Conflict).
    """

    kind: Kind[Resource]
    target: Resource
    unchanged: bool = False


@dataclass(frozen=True)
class RecordEvent:
    """An Event about an object; the plan continues when the API refuses it.

    `type_` is Normal or Warning.
    """

    kind: Kind[Resource]
    target: Resource
    type_: str
    reason: Code
    message: str


Step = Create | Patch | Delete | RecordEvent


def patch_metadata(
    kind: Kind[Resource], target: Resource, change: MetadataChange
) -> tuple[Patch, ...]:
    """Return the step that makes this change, none for an empty change."""
    patch = change_metadata(change)
    return (Patch(kind, target, patch),) if patch else ()


def patch_spec(
    kind: Kind[CustomResource[SpecT, StatusT]],
    target: CustomResource[SpecT, StatusT],
    spec: SpecT,
) -> tuple[Patch, ...]:
    """Return the step that sets the spec of `target`, none when it is equal."""
    patch = change_spec(target, spec)
    return (Patch(kind, target, patch),) if patch else ()


def patch_status(
    kind: Kind[CustomResource[SpecT, StatusT]],
    target: CustomResource[SpecT, StatusT],
    status: StatusT,
) -> tuple[Patch, ...]:
    """Return the step that sets the status of `target`, none when it is equal.

    What is too long for the schema of the kind is cut.
    """
    old: StatusT = status_of(target)
    patch = change_status(target, fit_changes(kind, old, status))
    return (Patch(kind, target, patch, "status"),) if patch else ()


@dataclass(frozen=True)
class Plan:
    """Steps to take now, and the seconds until the next plan (None: when something changes)."""

    steps: tuple[Step, ...] = ()
    requeue_after: float | None = None


class CreationRefused(Exception):
    """The API refused to create an object, and the plan for that case was carried out.

    Not an ApiError: a refusal may be a NotFound or a Conflict, which would be mistaken for an error
    about the reconciled object.
    """


async def execute_plan(client: Client, plan: Plan) -> float | None:
    """Carry out a plan and return its `requeue_after`, None when one of its objects is deleted.

    Raises CreationRefused and ApiError as `execute_steps` does.
    """
    try:
        await execute_steps(client, plan.steps)
    except NotFound:
        return None  # deleted meanwhile
    return plan.requeue_after


async def execute_steps(client: Client, steps: Sequence[Step]) -> None:
    """Carry out steps in order.

    Stops at the first ApiError (Conflict included), or with CreationRefused after the plan for a
    refusal.
    """
    versions: dict[str, str] = {}  # by UID
    for step in steps:
        match step:
            case Create():
                await _create(client, step)
            case Patch():
                await _patch(client, step, versions)
            case Delete():
                await _delete(client, step)
            case RecordEvent():
                await _record_event(client, step)


async def _create(client: Client, step: Create) -> None:
    try:
        await client.create(step.kind, step.obj)
    except AlreadyExists:
        return
    except Unreachable:
        raise
    except ApiError as error:
        if step.on_refusal is None:
            raise
        # Deleted meanwhile, or changed: the creation is tried again after growing delays.
        with contextlib.suppress(NotFound, Conflict):
            await execute_steps(client, step.on_refusal(error).steps)
        raise CreationRefused(str(error)) from error


async def _patch(client: Client, step: Patch, versions: dict[str, str]) -> None:
    # A second patch of an object starts from the version that the first patch made.
    uid = uid_of(step.target)
    version = versions.get(uid) or step.target["metadata"]["resourceVersion"]
    patched = await _write(client, step, at_version(step.patch, version))
    versions[uid] = patched["metadata"]["resourceVersion"]


async def _write(client: Client, step: Patch, patch: MergePatch) -> Resource:
    kind, target = step.kind, step.target
    place = kind, name_of(target), namespace_of(target)
    try:
        patched = await client.merge_patch(*place, patch, step.subresource)
    except Invalid as error:
        if step.subresource:
            whole = cut_status_patch(kind, target, step.patch)
            return await client.merge_patch(*place, whole, step.subresource)
        await report_violation(client, kind, target, error)
        raise
    return patched if step.subresource else await clear_violation(client, kind, patched)


async def _delete(client: Client, step: Delete) -> None:
    target = step.target
    version = target["metadata"]["resourceVersion"] if step.unchanged else None
    place = step.kind, name_of(target), namespace_of(target)
    with contextlib.suppress(NotFound):
        await client.delete(*place, uid=uid_of(target), resource_version=version)


async def _record_event(client: Client, step: RecordEvent) -> None:
    try:
        await client.record_event(
            step.target,
            kind=step.kind,
            type_=step.type_,
            reason=step.reason,
            message=step.message,
            component=OPERATOR,
        )
    except ApiError as error:  # as in a namespace that is being deleted
        log.warning("%s: %s (not recorded: %s)", step.reason, step.message, error)
