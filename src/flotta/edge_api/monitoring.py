"""Plain HTTP for machines that watch the server: `/metrics`, `/healthz`, `/readyz`."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from .metrics import Metrics


class Monitoring:
    """Serves on an address of its own; `unready` returns why devices cannot be served, or None."""

    def __init__(self, metrics: Metrics, unready: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._unready = unready
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._serve_metrics),
                web.get("/healthz", self._serve_health),
                web.get("/readyz", self._serve_readiness),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _serve_health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _serve_readiness(self, _: web.Request) -> web.Response:
        reason = self._unready()
        return web.Response(status=503, text=reason + "\n") if reason else web.Response()
