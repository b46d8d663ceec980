"""The Edge API says at `/readyz` when it hears nothing of the resource API any more."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from edge_site import eventually
from operator_site import resource_api

from flotta.edge_api.server import EdgeApi
from flotta.edge_api.settings import Settings
from flotta.resources import cache
from flotta.resources.client import Client


async def test_a_server_whose_watches_are_silent_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings("127.0.0.1", 0, metrics_address=("127.0.0.1", 0))
    with resource_api(tmp_path, "embedded") as access:
        async with (
            await Client.connect(str(access("edge-api"))) as client,
            aiohttp.ClientSession() as session,
        ):
            server = EdgeApi(client, settings)
            await server.start()

            async def readiness() -> tuple[int, str]:
                url = f"http://127.0.0.1:{server.monitoring_port}/readyz"
                async with session.get(url) as answer:
                    return answer.status, await answer.text()

            assert await readiness() == (200, "")
            monkeypatch.setattr(cache, "DEAF", 0.5)

            async def unready() -> str:
                status, text = await readiness()
                return text if status == 503 else ""

            assert "nothing heard of the API" in await eventually(unready)
            await server.stop()
