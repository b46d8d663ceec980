"""410 Gone: versions older than the resume window, and how clients recover."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from contract.api import GROUP, Api, core, device, devices
from contract.cluster import Cluster
from contract.engine import Engine
from flotta.resources.cache import Cache
from flotta.resources.client import Client, Expired
from flotta.resources.kinds import EDGE_DEVICE
from waiting import eventually, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVICES = devices("default")
LITTLE_MEMORY = ("--kept-events", "10", "--kept-seconds", "0")


@pytest.fixture(scope="module", params=["embedded", "kubernetes"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine | Cluster]:
    """Return an engine that soon forgets changes."""
    folder = tmp_path_factory.mktemp("forgetful")
    server: Engine | Cluster
    if request.param == "embedded":
        server = Engine(folder)
        server.start(*LITTLE_MEMORY)
    else:
        server = Cluster(folder, ["--etcd-compaction-interval=1s"])
        server.start()
    yield server
    server.stop()


def restart(server: Engine | Cluster) -> None:
    if isinstance(server, Engine):
        server.stop()
        server.start(*LITTLE_MEMORY)
    else:
        server.restart_api_server()


@pytest.fixture(scope="module")
def access(server: Engine | Cluster) -> Path:
    """Return the kubeconfig of its administrator."""
    return server.kubeconfig("admin")


@pytest.fixture
def forgetful(access: Path) -> Api:
    """Return that engine, with thirty devices d0 to d29."""
    api = Api(access)
    api.delete(DEVICES)
    for index in range(30):
        api.create(DEVICES, device(f"d{index:02}"))
    return api


def write_much(api: Api) -> None:
    for index in range(30):
        api.merge(f"{DEVICES}/d00", {"metadata": {"labels": {"n": str(index)}}})


def test_too_old_watch_gets_an_error_event(forgetful: Api) -> None:
    with forgetful.watch(DEVICES, "resourceVersion=1") as watch:
        assert watch.response.status == 200
        events = list(watch.rest())
    assert [event["type"] for event in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")


def test_too_old_lists_expire_and_a_page_offers_a_new_token(forgetful: Api) -> None:
    page = forgetful.get(f"{DEVICES}?limit=5").body
    old = page["metadata"]["resourceVersion"]
    following = f"{DEVICES}?limit=5&continue={page['metadata']['continue']}"
    exact = f"{DEVICES}?resourceVersionMatch=Exact&resourceVersion={old}"
    write_much(forgetful)
    forgetful.create(DEVICES, device("z"))
    wait_until(lambda: forgetful.get(following).status == 410)
    response = forgetful.get(following)
    assert response.body["reason"] == "Expired"
    rest = forgetful.get(f"{DEVICES}?continue={response.body['metadata']['continue']}").body
    names = [obj["metadata"]["name"] for obj in rest["items"]]
    assert names == [f"d{index:02}" for index in range(5, 30)] + ["z"]
    assert int(rest["metadata"]["resourceVersion"]) > int(old)
    wait_until(lambda: forgetful.get(exact).status == 410)
    assert forgetful.get(exact).body["reason"] == "Expired"
    assert forgetful.get(f"{DEVICES}?resourceVersion={old}").status == 200


def test_a_streaming_list_from_an_old_version_starts_again(forgetful: Api) -> None:
    query = "resourceVersion=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    with forgetful.watch(DEVICES, query) as watch:
        assert {event["type"] for event in watch.take(30)} == {"ADDED"}


async def test_the_client_raises_expired(forgetful: Api, access: Path) -> None:
    async with await Client.connect(str(access)) as client:
        with pytest.raises(Expired):
            async for _ in client.watch(EDGE_DEVICE, "default", resource_version="1"):
                pass


async def test_a_cache_whose_watch_expired_lists_again(
    server: Engine | Cluster,
    forgetful: Api,
    access: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "flotta.resources.cache")
    async with await Client.connect(str(access)) as client:
        cache = Cache(client, EDGE_DEVICE)
        seen: list[tuple[str, bool]] = []
        task = asyncio.create_task(cache.run())
        await cache.wait_synced()
        forgetful.merge(f"{DEVICES}/d01", {"metadata": {"labels": {"a": "b"}}})
        await eventually(lambda: "labels" in (cache.get("default", "d01") or {})["metadata"])
        cache.subscribe(lambda old, new: seen.append(((new or old)["metadata"]["name"], bool(new))))
        # None of this yields to the event loop, so the cache notices it only afterwards.
        forgetful.create(core("default", "configmaps"), {"metadata": {"generateName": "later-"}})
        restart(server)
        forgetful.delete(f"{DEVICES}/d02")
        forgetful.create(DEVICES, device("z"))
        write_much(forgetful)
        await eventually(lambda: len(seen) == 3)
        task.cancel()
    assert sorted(seen) == [("d00", True), ("d02", False), ("z", True)]
    assert "edgedevices: the watch expired, listing again" in caplog.messages
    names = {obj["metadata"]["name"] for obj in cache.list("default")}
    assert names == {f"d{index:02}" for index in range(30)} - {"d02"} | {"z"}


def test_a_watch_resumes_from_a_known_version(forgetful: Api) -> None:
    seen = forgetful.get(f"{GROUP}/edgedevices").version
    forgetful.merge(f"{DEVICES}/d01", {"metadata": {"labels": {"a": "b"}}})
    forgetful.delete(f"{DEVICES}/d02")
    with forgetful.watch(f"{GROUP}/edgedevices", f"resourceVersion={seen}") as watch:
        events = watch.take(2)
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("MODIFIED", "d01"),
        ("DELETED", "d02"),
    ]
