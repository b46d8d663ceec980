"""What the built-in controllers share: a feed of all changes, and internal writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from flotta.apiserver.errors import StatusError
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.deletion import delete_object
from flotta.apiserver.objects.options import DeleteOptions
from flotta.apiserver.objects.writes import Endpoint, Objects, changes_generation, is_finished
from flotta.apiserver.storage.store import StorageFailure
from flotta.apiserver.storage.watch_cache import ObjectKey, StoredChange

log = logging.getLogger(__name__)

# Seconds between an error and the next start. Fixed, because a single process reads its own store:
# there is no load to spread, and work should resume soon after the store works again.
RETRY_SECONDS = 2.0


async def follow_changes(
    objects: Objects,
    start: Callable[[], Awaitable[None]],
    handle: Callable[[list[StoredChange]], Awaitable[None]],
) -> None:
    """Call `start`, which reads everything that exists, then `handle` with the changes since.

    When the log does not reach back far enough, or storing failed, `start` is called again.
    """
    wake = asyncio.Event()
    for resource in objects.registry.resources:
        objects.store.watch_cache.subscribe(resource.qualified, wake)
    while True:
        try:
            await _follow_until_gap(objects, start, handle, wake)
        except (StorageFailure, StatusError):
            log.exception("A controller failed and starts again")
            await asyncio.sleep(RETRY_SECONDS)


async def _follow_until_gap(
    objects: Objects,
    start: Callable[[], Awaitable[None]],
    handle: Callable[[list[StoredChange]], Awaitable[None]],
    wake: asyncio.Event,
) -> None:
    at = objects.store.version
    await start()
    while True:
        wake.clear()
        changes = objects.store.watch_cache.all_changes_after(at)
        if changes is None:
            return
        if changes:
            at = changes[-1].version
            await handle(changes)
        else:
            await wake.wait()


async def amend_object(
    objects: Objects, key: ObjectKey, change: Callable[[JsonObject], None]
) -> None:
    """Change an object as the server itself; do nothing if it is gone or unchanged."""
    record = objects.store.newest(key)
    if record is None:
        return
    obj, old = record.load(), record.load()
    change(obj)
    if obj == old:
        return
    if is_finished(obj):
        await objects.store.remove(key, old)
        return
    resource = objects.registry.named(key.resource)
    if resource.custom and changes_generation(obj, old, resource):
        obj["metadata"]["generation"] += 1
    await objects.store.put(key, obj)


async def delete_unless_gone(objects: Objects, key: ObjectKey, policy: str = "Background") -> None:
    """Delete an object as the server itself, unless it is gone or being deleted."""
    record = objects.store.newest(key)
    if record is None or "deletionTimestamp" in record.load()["metadata"]:
        return
    endpoint = Endpoint(objects.registry.named(key.resource), key.namespace, key.name)
    await delete_object(objects, endpoint, DeleteOptions(policy=policy))
