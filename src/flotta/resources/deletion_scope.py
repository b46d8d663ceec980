"""Whether objects are deleted for their own sake, or go with their namespace or their kind.

Read from the API itself, never from a cache: a namespace and a CustomResourceDefinition get their
deletionTimestamp before the first object is deleted for them, so a read that follows the deletion
of an object cannot miss it. See docs/reference/control-plane.md#decommissioning.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flotta.resources.client import Client, NotFound
from flotta.resources.crds import CRD
from flotta.resources.kinds import NAMESPACE, Kind
from flotta.resources.objects.meta import Resource
from flotta.resources.views import is_being_deleted
from flotta.rfc3339 import parse_time

# Clocks of two API servers may differ; nothing that is younger can have held an older object.
CLOCK_SKEW = timedelta(seconds=60)


async def find_ending_scope(
    client: Client, namespace: str, kind: Kind[Resource], member: Resource | None = None
) -> str | None:
    """Return a sentence when a namespace or a kind is being deleted, None when neither is.

    A namespace or kind that is absent, or that was created after `member` (an object of both), is
    another one than the object belonged to: that counts as a deletion too. Raises ApiError.
    """
    holder = await client.get_or_none(NAMESPACE, namespace)
    if _is_ending(holder, member):
        return f"namespace {namespace} is being deleted or was created again"
    name = f"{kind.plural}.{kind.group}"
    try:
        definition = await client.get(CRD, name)
    except NotFound as error:
        if not error.reason:  # the path is not served: the kinds of the embedded engine never end
            return None
        return f"the CustomResourceDefinition {name} was deleted"
    if _is_ending(definition, member):
        return f"the CustomResourceDefinition {name} is being deleted or was created again"
    return None


def _is_ending(holder: Resource | None, member: Resource | None) -> bool:
    if holder is None or is_being_deleted(holder):
        return True
    if member is None:
        return False
    held, made = _created(holder), _created(member)
    return held is not None and made is not None and held > made + CLOCK_SKEW


def _created(resource: Resource) -> datetime | None:
    return parse_time(resource["metadata"].get("creationTimestamp", ""))
