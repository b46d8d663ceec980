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

# Between an error and the next start; fixed, because one process asks its own store: there is no
# crowd to spread, and the first start after the store works again is to come soon.
RETRY_SECONDS = 2.0


async def follow_changes(
    objects: Objects,
    start: Callable[[], Awaitable[None]],
    handle: Callable[[list[StoredChange]], Awaitable[None]],
) -> None:
    """Call `start` once with everything present, then `handle` with the changes since.

    When the log no longer reaches back, or storing failed, it begins again with `start`.
    """
    wake = asyncio.Event()
    for resource in objects.registry.resources:
        objects.store.watch_cache.subscribe(resource.qualified, wake)
    while True:
        try:
            await _follow_until_gap(objects, start, handle, wake)
        except (StorageFailure, StatusError):
            log.exception("A controller begins again")
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
    """Change an object as the server itself; nothing happens when it is gone or unchanged."""
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
    """Delete an object as the server itself, unless it is gone or on its way."""
    record = objects.store.newest(key)
    if record is None or "deletionTimestamp" in record.load()["metadata"]:
        return
    endpoint = Endpoint(objects.registry.named(key.resource), key.namespace, key.name)
    await delete_object(objects, endpoint, DeleteOptions(policy=policy))
