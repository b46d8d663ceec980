"""How the client deals with a server that asks it to come again (API Priority and Fairness)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import CONFIG_MAP

NAME = {"metadata": {"name": "one", "namespace": "default"}}


class BusyServer:
    """Responds with 429 a given number of times, then with the object."""

    def __init__(self) -> None:
        self.refusals = 0
        self.requests = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.refusals:
            self.refusals -= 1
            status = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "busy"}
            return web.json_response(status, status=429, headers={"Retry-After": "0"})
        return web.json_response(NAME)


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[tuple[BusyServer, Client]]:
    server = BusyServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [cluster],
                "contexts": [context],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    async with await Client.connect(str(kubeconfig)) as client:
        yield server, client
    await runner.cleanup()


async def test_a_busy_server_is_asked_again(busy: tuple[BusyServer, Client]) -> None:
    server, client = busy
    server.refusals = 2
    found = await client.get(CONFIG_MAP, "one", "default")
    assert found["metadata"]["name"] == "one"
    assert server.requests == 3


async def test_a_write_that_met_a_busy_server_is_sent_again_whole(
    busy: tuple[BusyServer, Client],
) -> None:
    server, client = busy
    server.refusals = 1
    await client.create(CONFIG_MAP, NAME)
    assert server.requests == 2


async def test_a_server_that_stays_busy_is_an_error_in_the_end(
    busy: tuple[BusyServer, Client],
) -> None:
    server, client = busy
    server.refusals = 99
    with pytest.raises(ApiError) as raised:
        await client.get(CONFIG_MAP, "one", "default")
    assert raised.value.status == 429
    assert server.requests == 5
