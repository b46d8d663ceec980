from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import Metric

from flotta.monitoring import MetricsPage, MonitoringServer


async def fetched(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


async def test_what_is_wrong_is_told_in_sentences() -> None:
    wrong: list[str] = []
    server = MonitoringServer(registry=None, unhealthy=list, unready=lambda: wrong)
    port = await server.listen("127.0.0.1", 0)

    assert await fetched(port, "/readyz") == (200, "ok\n")
    wrong.append("secrets: not listed yet")
    assert await fetched(port, "/readyz") == (503, "secrets: not listed yet\n")
    assert await fetched(port, "/healthz") == (200, "ok\n")
    assert (await fetched(port, "/metrics"))[0] == 404
    await server.close()


async def test_metrics_come_from_the_registry_at_every_address() -> None:
    registry = CollectorRegistry()
    Gauge("answers", "Of everything.", registry=registry).set(42)
    server = MonitoringServer(registry=registry, unhealthy=list, unready=list)
    ports = [await server.listen("127.0.0.1", 0) for _ in range(2)]

    assert len(set(ports)) == 2
    for port in ports:
        assert "answers 42.0" in (await fetched(port, "/metrics"))[1]
    await server.close()


async def test_an_address_in_use_is_a_sentence() -> None:
    server = MonitoringServer(registry=None, unhealthy=list, unready=list)
    port = await server.listen("127.0.0.1", 0)

    with pytest.raises(ValueError, match=f"cannot listen on 127.0.0.1:{port}"):
        await server.listen("127.0.0.1", port)
    await server.close()


class Slow:
    """A collector that takes a while by its own clock."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.rendered = 0
        self._seconds = seconds

    def collect(self) -> Iterator[Metric]:
        self.now += self._seconds
        self.rendered += 1
        yield Metric("slow", "Of a fleet.", "gauge")


@pytest.mark.parametrize(("cost", "kept"), [(0.01, 0.2), (3.0, 1.0)])
def test_a_flood_of_scrapes_renders_little(cost: float, kept: float) -> None:
    slow = Slow(cost)
    registry = CollectorRegistry()
    registry.register(slow)
    before = slow.rendered
    page = MetricsPage(registry, lambda: slow.now)
    for _ in range(100):
        page.render()
    assert slow.rendered == before + 1
    slow.now += kept + 0.001
    page.render()
    assert slow.rendered == before + 2
