"""The probes of the operator: 200 while it hears from the API and works, else 503 and why."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from operator_site import embedded_api, free_port

from flotta.operator.runtime import monitoring
from flotta.operator.runtime.controller import Controller
from flotta.operator.runtime.monitoring import serve_monitoring
from flotta.operator.service import Operator
from flotta.operator.settings import Settings
from flotta.resources import cache
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.views import Key
from waiting import eventually


@pytest.fixture
def api(tmp_path: Path) -> Iterator[int]:
    with embedded_api(tmp_path) as pid:
        yield pid


@pytest.fixture
async def client(tmp_path: Path, api: int) -> AsyncIterator[Client]:
    kubeconfig = tmp_path / "kubeconfig" / "operator.kubeconfig"
    async with await Client.connect(str(kubeconfig)) as connected:
        yield connected


async def answer(address: tuple[str, int], path: str) -> tuple[int, str]:
    url = f"http://{address[0]}:{address[1]}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_operator_is_ready_while_it_hears_about_every_kind(
    client: Client, api: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = ("127.0.0.1", free_port())
    operator = Operator(client, Settings())
    async with serve_monitoring(operator, Settings(probe_address=address, metrics_address=address)):
        status, text = await answer(address, "/readyz")
        assert (status, text.splitlines()[0]) == (503, "edgedevices: not listed yet")
        following = asyncio.create_task(operator.run_caches())
        await operator.caches.wait_synced()
        assert await answer(address, "/readyz") == (200, "ok\n")
        monkeypatch.setattr(cache, "MAX_SILENCE", 3.0)
        os.kill(api, signal.SIGSTOP)
        try:
            await eventually(lambda: unready(address))
            status, text = await answer(address, "/readyz")
        finally:
            os.kill(api, signal.SIGCONT)
        assert status == 503
        assert ": nothing heard from the API for " in text  # which kind is first, the clock decides
        assert (await answer(address, "/healthz"))[0] == 200
        following.cancel()


async def test_operator_with_a_stuck_controller_is_not_alive(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "STUCK_AFTER", 0.0)  # at once
    address = ("127.0.0.1", free_port())
    operator = Operator(client, Settings())
    free = asyncio.Event()

    async def reconcile(_: Key) -> None:
        await free.wait()

    controller = Controller("EdgeDevice", reconcile, 2)
    operator.controllers = (controller, *operator.controllers[:1])
    working = asyncio.create_task(controller.run())
    async with serve_monitoring(operator, Settings(probe_address=address, metrics_address=None)):
        controller.queue.add(("default", "a"))
        await eventually(lambda: not len(controller.queue))
        assert await answer(address, "/healthz") == (200, "ok\n")
        controller.queue.add(("default", "b"))
        await eventually(lambda: unhealthy(address))
        _, text = await answer(address, "/healthz")
        assert text.partition(":")[0] == "EdgeDevice"
        free.set()
        await asyncio.sleep(0)
        await eventually(lambda: healthy(address))
        assert (await answer(address, "/metrics"))[0] == 404
    working.cancel()


async def unready(address: tuple[str, int]) -> bool:
    return (await answer(address, "/readyz"))[0] == 503


async def unhealthy(address: tuple[str, int]) -> bool:
    return (await answer(address, "/healthz"))[0] == 503


async def healthy(address: tuple[str, int]) -> bool:
    return (await answer(address, "/healthz"))[0] == 200


async def test_kind_without_changes_is_listed_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "RELIST_AFTER", 0.5)
    monkeypatch.setattr("flotta.resources.transport.MAX_SILENCE", 1.0)
    devices = cache.Cache(client, EDGE_DEVICE)
    running = asyncio.create_task(devices.run())
    await devices.wait_synced()

    async def silent() -> bool:
        return devices.silence > 0.8

    async def heard() -> bool:
        return not await silent()

    await eventually(silent)
    await eventually(heard)
    running.cancel()
