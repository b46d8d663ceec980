"""Reconcile an object as a cache has it, and after a conflict as the API has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flotta.resources.client import Client, Conflict, retry_on_conflict
from flotta.resources.kinds import Kind, ResourceT
from flotta.resources.views import Key

MAX_ATTEMPTS = 5  # the first with the cached object
CONFLICT_DELAY = 1.0  # seconds until an object is reconciled again after all attempts failed


async def reconcile_newest(
    client: Client,
    kind: Kind[ResourceT],
    key: Key,
    cached: ResourceT | None,
    reconcile: Callable[[ResourceT], Awaitable[float | None]],
) -> float | None:
    """Call `reconcile` with the cached object, then, while it raises Conflict, with the newest one.

    Returns the seconds after which to come back; None when it was deleted or nothing is due.
    """
    known = [cached]
    namespace, name = key

    async def attempt() -> float | None:
        obj = known.pop() if known else await client.get_or_none(kind, name, namespace)
        return None if obj is None else await reconcile(obj)

    try:
        return await retry_on_conflict(attempt, MAX_ATTEMPTS)
    except Conflict:
        return CONFLICT_DELAY
