"""What a plan consists of, and the one place that carries it out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flotta.own_names import OPERATOR
from flotta.resources.client import AlreadyExists, ApiError, Client, NotFound
from flotta.resources.kinds import Kind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Create:
    """Create an object; one that is there already is left as it is."""

    kind: Kind
    obj: dict[str, Any]


@dataclass(frozen=True)
class Patch:
    """Merge-patch an object that was read at this resourceVersion (else Conflict)."""

    kind: Kind
    target: dict[str, Any]
    patch: dict[str, Any]
    subresource: str | None = None


@dataclass(frozen=True)
class Delete:
    """Delete an object if it is still the one with this UID; an absent one is fine."""

    kind: Kind
    target: dict[str, Any]


@dataclass(frozen=True)
class RecordEvent:
    """Record an Event about an object; the plan goes on when the API refuses the Event."""

    kind: Kind
    target: dict[str, Any]
    type_: str
    reason: str
    message: str


Step = Create | Patch | Delete | RecordEvent


@dataclass(frozen=True)
class Plan:
    """Steps to take now, and the seconds until the next plan (None: when something changes)."""

    steps: tuple[Step, ...] = ()
    requeue_after: float | None = field(default=None)


async def execute_steps(client: Client, steps: Sequence[Step]) -> None:
    """Carry out steps in order; stops with the first ApiError (Conflict included)."""
    versions: dict[str, str] = {}
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


async def _patch(client: Client, step: Patch, versions: dict[str, str]) -> None:
    # A second patch of one object starts from the version that the first one made.
    metadata = step.target["metadata"]
    version = versions.get(metadata["uid"], metadata["resourceVersion"])
    patch = {
        **step.patch,
        "metadata": {**step.patch.get("metadata", {}), "resourceVersion": version},
    }
    patched = await client.merge_patch(
        step.kind, metadata["name"], metadata.get("namespace"), patch, step.subresource
    )
    versions[metadata["uid"]] = patched["metadata"]["resourceVersion"]


async def _delete(client: Client, step: Delete) -> None:
    metadata = step.target["metadata"]
    try:
        await client.delete(
            step.kind, metadata["name"], metadata.get("namespace"), uid=metadata["uid"]
        )
    except NotFound:
        return


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
