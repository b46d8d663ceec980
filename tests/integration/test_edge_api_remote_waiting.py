"""Held requests with a remote data store: woken by its feed of changes, or by looks at it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from edge_site import Device
from remote_site import RemoteSite, remote_site
from remote_store import answering

from waiting import eventually


async def held_data(device: Device) -> asyncio.Task[object]:
    """Return a held request for the configuration."""
    known = (await device.get("data")).headers["ETag"]
    return await device.held(device.get("data", If_None_Match=known, Prefer="wait=60"))  # type: ignore[return-value]


@pytest.mark.parametrize("has_additions", [False, True], ids=["looks", "feed"])
async def test_a_held_request_ends_when_something_changes(
    tmp_path: Path, has_additions: bool
) -> None:
    async with remote_site(tmp_path, has_additions=has_additions) as site:
        await site.store.start(site.store_context())
        device = await site.joined()
        if has_additions:
            await site.follow_feed()
        command = await device.held(device.get("control", Prefer="wait=60"))
        data = await held_data(device)

        site.store.configure("till-7", version="2")

        reply = await asyncio.wait_for(data, 30)
        assert (reply.status, reply.json()["content"]["version"]) == (200, "2")  # type: ignore[attr-defined]
        assert not command.done()
        site.store.device("till-7").status = "unregistered"
        site.store.note_change("till-7")
        assert (await asyncio.wait_for(command, 30)).json()["content"]["command"] == "disconnect"


async def test_however_many_requests_a_device_holds_it_is_looked_at_once(tmp_path: Path) -> None:
    async with remote_site(tmp_path) as site:
        await site.store.start(site.store_context())
        device = await site.joined()
        held = [await held_data(device) for _ in range(3)]
        asked = len(site.store.of("GET configuration"))

        async def is_looked_at() -> bool:
            return len(site.store.of("GET configuration")) >= asked + 2

        begun = asyncio.get_running_loop().time()
        await eventually(is_looked_at)
        seconds = asyncio.get_running_loop().time() - begun

        looks = len(site.store.of("GET configuration")) - asked
        assert looks <= 2 + seconds / 0.75
        for task in held:
            task.cancel()


async def test_with_a_feed_nobody_asks_for_what_did_not_change(tmp_path: Path) -> None:
    async with remote_site(tmp_path, has_additions=True) as site:
        await site.store.start(site.store_context())
        devices = [await site.joined(f"till-{number}") for number in range(3)]
        await site.follow_feed()
        for device in devices:
            assert (await device.get("data")).status == 200

        before = len(site.store.seen)
        for device in devices * 3:
            assert (await device.get("data")).status == 200
            assert (await device.get("control")).status == 200
            assert (await device.beat()).status == 200

        asked = [seen.operation for seen in site.store.seen[before:]]
        assert set(asked) <= {"PUT heartbeat", "GET changes"}


async def test_a_feed_that_breaks_is_replaced_by_looks(tmp_path: Path) -> None:
    async with remote_site(tmp_path, has_additions=True, REMOTE_BACKEND_TIMEOUT="500ms") as site:
        await site.store.start(site.store_context())
        device = await site.joined()
        await site.follow_feed()
        data = await held_data(device)
        site.store.trouble = answering(404, only="changes")
        site.store.note_change("till-8")  # ends the request that is held

        site.store.configure("till-7", version="2")

        reply = await asyncio.wait_for(data, 30)
        assert reply.json()["content"]["version"] == "2"  # type: ignore[attr-defined]


@pytest.mark.parametrize("tells", [True, False], ids=["told", "by its version"])
async def test_a_store_that_was_restored_is_read_again(tmp_path: Path, tells: bool) -> None:
    async with remote_site(tmp_path, has_additions=True) as site:
        store = site.store
        for _ in range(40):
            store.note_change("till-0")
        await store.start(site.store_context())
        device = await site.joined()
        await site.follow_feed()
        data = await held_data(device)

        configuration = dict(store.device("till-7").configuration or {}, version="of before")
        store.device("till-7").configuration = configuration
        store.version, store.tells_of_loss = 3, tells  # of a copy of the database
        await end_held_feed(site)

        reply = await asyncio.wait_for(data, 30)
        assert reply.json()["content"]["version"] == "of before"  # type: ignore[attr-defined]


async def test_a_change_while_a_device_is_read_is_not_missed(tmp_path: Path) -> None:
    async with remote_site(tmp_path, has_additions=True) as site:
        store = site.store
        await store.start(site.store_context())
        device = await site.joined()
        await site.follow_feed()
        known = (await device.get("data")).headers["ETag"]

        async def change_meanwhile(request: web.Request) -> web.Response | None:
            if not request.path.endswith("configuration"):
                return None
            store.trouble = None
            before = web.json_response(
                {"device-configuration": store.device("till-7").configuration}
            )
            told = len(store.of("GET changes"))
            store.configure("till-7", version="2")
            await eventually(lambda: len(store.of("GET changes")) > told)
            return before

        store.trouble = change_meanwhile
        store.note_change("till-7")  # so that the next request reads it
        await eventually(lambda: len(store.of("GET changes")) > 2)
        reply = await asyncio.wait_for(
            device.get("data", If_None_Match=known, Prefer="wait=60"), 30
        )

        assert reply.json()["content"]["version"] == "2"


async def end_held_feed(site: RemoteSite) -> None:
    """Make the store answer the request for changes that it holds."""
    store = site.store
    store._changed.set()
    store._changed = asyncio.Event()


@pytest.mark.parametrize(
    "answer",
    [
        {"version": 5, "devices": []},
        {"version": 5, "devices": ["default/till-7"]},
        {"version": 5, "devices": [], "complete": False},
        {"version": 0, "devices": [], "complete": False},
    ],
    ids=["does not hold", "one device", "remembers nothing", "knows no version"],
)
async def test_a_feed_that_answers_at_once_is_not_asked_without_end(
    tmp_path: Path, answer: object
) -> None:
    async with remote_site(tmp_path, has_additions=True) as site:
        site.store.trouble = answering(200, json.dumps(answer), "changes")
        await site.store.start(site.store_context())
        await site.joined()
        begun = asyncio.get_running_loop().time()
        await eventually(lambda: len(site.store.of("GET changes")) >= 4)

        seconds = asyncio.get_running_loop().time() - begun
        assert len(site.store.of("GET changes")) <= 4 + 2 * seconds


async def test_what_answers_everything_with_ok_is_no_feed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with remote_site(tmp_path, has_additions=True) as site:
        site.store.trouble = answering(200, '{"status": "ok"}', "changes")
        await site.store.start(site.store_context())
        data = await held_data(await site.joined())

        site.store.configure("till-7", version="2")

        reply = await asyncio.wait_for(data, 30)
        assert reply.json()["content"]["version"] == "2"  # type: ignore[attr-defined]
        assert "does not tell of changes" in caplog.text


async def test_held_requests_end_when_the_server_stops(tmp_path: Path) -> None:
    async with remote_site(tmp_path) as site:
        await site.store.start(site.store_context())
        device = await site.joined()
        data = await held_data(device)

        await asyncio.wait_for(site.server.stop(), 30)

        assert (await data).status == 304  # type: ignore[attr-defined]
