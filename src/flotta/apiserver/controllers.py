"""What the built-in controllers share: a feed of all changes, and internal writes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from flotta.apiserver.deletion import delete
from flotta.apiserver.errors import Refusal
from flotta.apiserver.options import DeleteOptions
from flotta.apiserver.store import StorageFailure
from flotta.apiserver.writes import Place, generation_moves, is_finished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flotta.apiserver.journal import Change, Key
    from flotta.apiserver.writes import Objects

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

RETRY_SECONDS = 2.0


async def follow(
    objects: Objects,
    start: Callable[[], Awaitable[None]],
    handle: Callable[[list[Change]], Awaitable[None]],
) -> None:
    """Call ``start`` once with everything present, then ``handle`` with the changes since.

    When the log no longer reaches back, or storing failed, it begins again with ``start``.
    """
    alarm = asyncio.Event()
    for resource in objects.registry.resources:
        objects.store.journal.wait(resource.qualified, alarm)
    while True:
        try:
            await _follow(objects, start, handle, alarm)
        except (StorageFailure, Refusal):
            log.exception("A controller begins again")
            await asyncio.sleep(RETRY_SECONDS)


async def _follow(
    objects: Objects,
    start: Callable[[], Awaitable[None]],
    handle: Callable[[list[Change]], Awaitable[None]],
    alarm: asyncio.Event,
) -> None:
    at = objects.store.version
    await start()
    while True:
        alarm.clear()
        changes = objects.store.journal.after_all(at)
        if changes is None:
            return
        if changes:
            at = changes[-1].version
            await handle(changes)
        else:
            await alarm.wait()


async def amend(objects: Objects, key: Key, change: Callable[[JsonObject], None]) -> None:
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
    if resource.custom and generation_moves(obj, old, resource):
        obj["metadata"]["generation"] += 1
    await objects.store.put(key, obj)


async def remove(objects: Objects, key: Key, policy: str = "Background") -> None:
    """Delete an object as the server itself, unless it is gone or on its way."""
    record = objects.store.newest(key)
    if record is None or "deletionTimestamp" in record.load()["metadata"]:
        return
    place = Place(objects.registry.named(key.resource), key.namespace, key.name)
    await delete(objects, place, DeleteOptions(policy=policy))
