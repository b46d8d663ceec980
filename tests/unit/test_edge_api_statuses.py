"""Status writes of the Edge API against a watch that is behind, or ahead of the response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from edge_api_store import Object, Store
from fleet_objects import device

from flotta.edge_api.backends.crd.statuses import Statuses
from flotta.resources.cache import Cache
from flotta.resources.kinds import EDGE_DEVICE

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
KEY = ("default", "d-17")


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(EDGE_DEVICE, device())
    return store


@pytest.fixture
async def cache(store: Store) -> AsyncIterator[Cache]:
    cache = Cache(store, EDGE_DEVICE)  # type: ignore[arg-type]
    running = asyncio.create_task(cache.run())
    await cache.wait_synced()
    yield cache
    running.cancel()


def phase(text: str) -> object:
    return lambda newest: {**newest["status"], "phase": text}


async def told() -> None:
    """Let the watch deliver."""
    await asyncio.sleep(0.01)


def assigned(store: Store) -> Object:
    newest = store.device()
    return {**newest, "status": {**newest["status"], "workloads": [{"name": "w"}]}}


async def test_an_own_write_counts_before_the_watch_tells_it(store: Store, cache: Cache) -> None:
    statuses = Statuses(store, cache)
    store.hold(EDGE_DEVICE)

    await statuses.update(KEY, phase("up"))

    assert statuses.newest_device(KEY)["status"]["phase"] == "up"


async def test_a_write_that_was_overtaken_in_a_new_list_is_forgotten(
    store: Store, cache: Cache
) -> None:
    statuses = Statuses(store, cache)
    store.hold(EDGE_DEVICE)
    await statuses.update(KEY, phase("up"))
    store.hold(EDGE_DEVICE)  # what the watch held is lost, as between two lists

    store.put(EDGE_DEVICE, assigned(store))
    store.release(EDGE_DEVICE)
    await told()

    assert statuses.newest_device(KEY)["status"] == {"phase": "up", "workloads": [{"name": "w"}]}


async def test_a_write_that_was_overtaken_before_its_answer_is_not_kept(
    store: Store, cache: Cache
) -> None:
    statuses = Statuses(store, cache)

    async def overtake(_: Object, __: str) -> None:
        store.put(EDGE_DEVICE, assigned(store))
        await told()

    store.stored = overtake
    await statuses.update(KEY, phase("up"))

    assert statuses.newest_device(KEY)["status"] == {"phase": "up", "workloads": [{"name": "w"}]}


async def test_a_device_deleted_before_the_answer_to_a_write_is_gone(
    store: Store, cache: Cache
) -> None:
    statuses = Statuses(store, cache)

    async def delete(_: Object, __: str) -> None:
        store.remove(EDGE_DEVICE, "d-17")
        await told()

    store.stored = delete
    await statuses.update(KEY, phase("up"))

    assert statuses.newest_device(KEY) is None


async def test_a_write_gets_through_although_others_write_all_the_time(
    store: Store, cache: Cache
) -> None:
    statuses = Statuses(store, cache)
    collisions = 6

    def after_others(newest: Object) -> Object:
        nonlocal collisions
        if collisions:
            collisions -= 1
            store.put(EDGE_DEVICE, assigned(store))
        return {**newest["status"], "phase": "up"}

    written = await statuses.update(KEY, after_others)

    assert written is not None
    assert store.device()["status"] == {"phase": "up", "workloads": [{"name": "w"}]}
