"""The monitoring server: `/healthz`, `/readyz` and `/metrics` over plain HTTP.

Used by the operator and the Edge API (docs/reference/metrics.md#probes); devices do not load it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from flotta.serving.http_server import HttpServer
from flotta.serving.limits import Limits

CONNECTIONS = 64  # at once; a probe and a scrape need one each

MAX_AGE = 1.0  # seconds for which a page of metrics is kept
AGE_FACTOR = 20  # times as long as rendering took, so that it takes a twentieth of the time

Check = Callable[[], list[str]]  # a sentence for each problem; empty when there is none


class MonitoringServer:
    """Responds with 200, or with 503 and the sentences of `unhealthy` or `unready`.

    Without a registry `/metrics` is not served (404).
    """

    def __init__(
        self, *, registry: CollectorRegistry | None, unhealthy: Check, unready: Check
    ) -> None:
        self._unhealthy = unhealthy
        self._unready = unready
        self._http = HttpServer(
            self._application(registry), "flotta", Limits(CONNECTIONS, CONNECTIONS // 2)
        )

    async def listen(self, host: str, port: int) -> int:
        """Listen on one more address and return its port.

        Raises ValueError with a sentence for an address that cannot be used.
        """
        try:
            return await self._http.start(host, port)
        except OSError as error:
            raise ValueError(f"cannot listen on {host}:{port}: {error.strerror}") from error

    async def close(self) -> None:
        """Stop serving."""
        await self._http.stop()

    def _application(self, registry: CollectorRegistry | None) -> web.Application:
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        if registry is not None:
            application.router.add_get("/metrics", MetricsPage(registry).respond)
        return application

    async def _healthz(self, _: web.Request) -> web.Response:
        return _response(self._unhealthy())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _response(self._unready())


class MetricsPage:
    """The page of `/metrics`, kept for a while in proportion to what it costs.

    Anybody who reaches the address may ask for it, and it is rendered in the event loop.
    """

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._body = b""
        self._kept_until = -math.inf

    async def respond(self, _: web.Request) -> web.Response:
        """Return the page."""
        return web.Response(body=self.render(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    def render(self) -> bytes:
        """Return the text of the page, at most `MAX_AGE` old."""
        started = self._clock()
        if started >= self._kept_until:
            self._body = generate_latest(self._registry)
            ended = self._clock()
            self._kept_until = ended + min(MAX_AGE, AGE_FACTOR * (ended - started))
        return self._body


def _response(sentences: list[str]) -> web.Response:
    status = 503 if sentences else 200
    return web.Response(status=status, text="\n".join(sentences or ["ok"]) + "\n")
