"""The Edge API is not ready before it listens, and when it no longer hears of the resource API."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from operator_site import resource_api

from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.server import EdgeApiServer
from flotta.edge_api.settings import Settings
from flotta.resources import cache
from flotta.resources.client import Client
from flotta.serving.http_server import HttpServer
from waiting import eventually


@asynccontextmanager
async def edge_api(directory: Path) -> AsyncIterator[EdgeApiServer]:
    """Return an Edge API in this process that was not started yet; it is stopped in the end."""
    settings = Settings("127.0.0.1", 0, metrics_address=("127.0.0.1", 0))
    with resource_api(directory, "embedded") as access:
        metrics = EdgeApiMetrics()
        client = await Client.connect(str(access("edge-api")))
        server = EdgeApiServer(settings, metrics, CrdBackend(client, settings, metrics))
        yield server
        await server.stop()


async def readiness(server: EdgeApiServer) -> tuple[int, str]:
    url = f"http://127.0.0.1:{server.monitoring_port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, (await response.text()).strip()


async def test_a_server_whose_watches_are_silent_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edge_api(tmp_path) as server:
        await server.start()
        assert await readiness(server) == (200, "ok")
        monkeypatch.setattr(cache, "MAX_SILENCE", 0.5)

        async def unready() -> str:
            status, text = await readiness(server)
            return text if status == 503 else ""

        assert "nothing heard from the API" in await eventually(unready)


async def test_a_server_that_does_not_listen_yet_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, released = asyncio.Event(), asyncio.Event()
    start = HttpServer.start

    async def late(
        server: HttpServer, host: str, port: int, context: ssl.SSLContext | None = None
    ) -> int:
        if context is not None:  # not the probes, which have no TLS
            reached.set()
            await released.wait()
        return await start(server, host, port, context)

    monkeypatch.setattr(HttpServer, "start", late)
    async with edge_api(tmp_path) as server:
        starting = asyncio.create_task(server.start())
        await reached.wait()
        assert await readiness(server) == (503, "the server is starting")
        released.set()
        await starting
        assert await readiness(server) == (200, "ok")
