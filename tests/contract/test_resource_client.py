"""Our client and its cache, on either engine."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contract.engine import Engine
from flotta.resources.cache import Cache
from flotta.resources.client import (
    AlreadyExists,
    Client,
    Conflict,
    Invalid,
    NotFound,
    Unreachable,
    retry_on_conflict,
)
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EVENT
from waiting import eventually


@pytest_asyncio.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    async with await Client.connect(str(kubeconfig)) as connected:
        yield connected


def device(namespace: str, name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": {}}


async def test_list_follows_pages_and_names_the_kind(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flotta.resources.client.PAGE_SIZE", 2)
    for number in range(5):
        body = {"metadata": {"name": f"c{number}", "namespace": namespace}}
        await client.create(CONFIG_MAP, body)
    listed = await client.list(CONFIG_MAP, namespace)
    names = [item["metadata"]["name"] for item in listed if item["metadata"]["name"][0] == "c"]
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    assert {item["kind"] for item in listed} == {"ConfigMap"}


async def test_errors_have_the_classes_of_their_reasons(client: Client, namespace: str) -> None:
    first = await client.create(EDGE_DEVICE, device(namespace, "d1"))
    with pytest.raises(AlreadyExists):
        await client.create(EDGE_DEVICE, device(namespace, "d1"))
    with pytest.raises(NotFound, match='"d2" not found'):
        await client.get(EDGE_DEVICE, "d2", namespace)
    await client.merge_patch(EDGE_DEVICE, "d1", namespace, {"metadata": {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"], "labels": {}}}
    with pytest.raises(Conflict):
        await client.merge_patch(EDGE_DEVICE, "d1", namespace, stale)
    patch = {"spec": {"heartbeat": {"periodSeconds": "often"}}}
    with pytest.raises(Invalid, match=r"spec\.heartbeat\.periodSeconds"):
        await client.merge_patch(EDGE_DEVICE, "d1", namespace, patch)
    with pytest.raises(Conflict):
        await client.delete(EDGE_DEVICE, "d1", namespace, uid="another")


async def test_retry_on_conflict_reads_again(client: Client, namespace: str) -> None:
    await client.create(
        CONFIG_MAP, {"metadata": {"name": "n", "namespace": namespace}, "data": {"n": "0"}}
    )

    async def increment() -> None:
        current = await client.get(CONFIG_MAP, "n", namespace)
        await asyncio.sleep(0)
        current["data"]["n"] = str(int(current["data"]["n"]) + 1)
        await client.replace(CONFIG_MAP, current)

    await asyncio.gather(*(retry_on_conflict(increment, tries=50) for _ in range(8)))
    assert (await client.get(CONFIG_MAP, "n", namespace))["data"]["n"] == "8"


async def test_a_repeated_event_is_counted(client: Client, namespace: str) -> None:
    involved = await client.create(EDGE_DEVICE, device(namespace, "d1"))
    for _ in range(3):
        await client.record_event(
            involved,
            kind=EDGE_DEVICE,
            type_="Warning",
            reason="R",
            message="ü" * 2000,
            component="test",
        )
    events = await client.list(EVENT, namespace, field_selector="involvedObject.name=d1")
    assert [(event["count"], len(event["message"].encode())) for event in events] == [(3, 1023)]


async def test_cache_announces_each_change_once(client: Client, namespace: str) -> None:
    await client.create(EDGE_DEVICE, device(namespace, "before"))
    cache, seen = Cache(client, EDGE_DEVICE, namespace), []
    cache.subscribe(lambda old, new: seen.append((bool(old), new and new["metadata"]["name"])))
    task = asyncio.create_task(cache.run())
    await cache.wait_synced()
    await client.create(EDGE_DEVICE, device(namespace, "after"))
    await client.merge_patch(EDGE_DEVICE, "after", namespace, {"metadata": {"labels": {"a": "b"}}})
    await client.merge_patch(EDGE_DEVICE, "after", namespace, {"metadata": {"labels": {"a": "b"}}})
    await client.delete(EDGE_DEVICE, "before", namespace)
    await eventually(lambda: cache.get(namespace, "before") is None)
    assert seen == [(False, "before"), (False, "after"), (True, "after"), (True, None)]
    assert [item["metadata"]["name"] for item in cache.list(namespace)] == ["after"]
    task.cancel()


async def test_cache_catches_up_after_the_server_was_killed(
    own_engine: Engine,
) -> None:
    own_engine.start()
    async with await Client.connect(str(own_engine.kubeconfig("admin"))) as client:
        await client.create(EDGE_DEVICE, device("default", "d1"))
        cache = Cache(client, EDGE_DEVICE)
        task = asyncio.create_task(cache.run())
        await cache.wait_synced()
        own_engine.stop(signal.SIGKILL)
        with pytest.raises(Unreachable):
            await client.get(EDGE_DEVICE, "d1", "default")
        own_engine.start()
        await client.create(EDGE_DEVICE, device("default", "d2"))
        await eventually(lambda: cache.get("default", "d2"))
        assert cache.get("default", "d1") is not None
        task.cancel()
