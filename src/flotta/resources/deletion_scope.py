"""Whether objects are deleted for their own sake, or go with their namespace or their kind.

Read from the API itself, never from a cache: a namespace and a CustomResourceDefinition get their
deletionTimestamp before the first object is deleted for them, so a read that follows the deletion
of an object cannot miss it. See docs/reference/control-plane.md#decommissioning.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from flotta.resources.client import Client, NotFound
from flotta.resources.crds import CRD
from flotta.resources.kinds import NAMESPACE, Kind
from flotta.resources.objects.meta import Resource
from flotta.resources.views import is_being_deleted, uid_of
from flotta.rfc3339 import parse_time

# Clocks of two API servers may differ; nothing that is younger can have held an older object.
CLOCK_SKEW = timedelta(seconds=60)


class Definition(NamedTuple):
    """Which CustomResourceDefinition a kind has: after a deletion it is another one."""

    uid: str
    created: datetime | None


class Scope(NamedTuple):
    """What the API says of a namespace and a kind."""

    ending: str | None  # a sentence when one of them is being deleted, or was
    definition: Definition | None = None  # of the kind; None on the embedded engine, or if ending


async def find_ending_scope(
    client: Client, namespace: str, kind: Kind[Resource], member: Resource | None = None
) -> str | None:
    """Return a sentence when a namespace or a kind is being deleted, None when neither is.

    A namespace or kind that is absent, or that was created after `member` (an object of both), is
    another one than the object belonged to: that counts as a deletion too. Raises ApiError.
    """
    return (await read_scope(client, namespace, kind, member)).ending


async def read_scope(
    client: Client, namespace: str, kind: Kind[Resource], member: Resource | None = None
) -> Scope:
    """Return what `find_ending_scope` does, with the definition of the kind. Raises ApiError."""
    holder = await client.get_or_none(NAMESPACE, namespace)
    if _is_ending(holder, member):
        return Scope(f"namespace {namespace} is being deleted or was created again")
    name = f"{kind.plural}.{kind.group}"
    try:
        definition = await client.get(CRD, name)
    except NotFound as error:
        if not error.reason:  # the path is not served: the kinds of the embedded engine never end
            return Scope(None)
        return Scope(f"the CustomResourceDefinition {name} was deleted")
    if _is_ending(definition, member):
        return Scope(f"the CustomResourceDefinition {name} is being deleted or was created again")
    return Scope(None, Definition(uid_of(definition), creation_time(definition)))


def creation_time(resource: Resource) -> datetime | None:
    """Return when an object was created, None when it does not say so."""
    return parse_time(resource["metadata"].get("creationTimestamp", ""))


def _is_ending(holder: Resource | None, member: Resource | None) -> bool:
    if holder is None or is_being_deleted(holder):
        return True
    if member is None:
        return False
    held, made = creation_time(holder), creation_time(member)
    return held is not None and made is not None and held > made + CLOCK_SKEW
