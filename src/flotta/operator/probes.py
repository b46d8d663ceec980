"""/healthz, /readyz and /metrics of the operator, plain HTTP on the loopback by default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from .service import Operator
from .settings import Settings


def metrics_text(operator: Operator) -> str:
    """Return the figures of the controllers in the Prometheus text format 0.0.4."""
    lines = ["# TYPE flotta_operator_reconciles_total counter"]
    for controller in operator.controllers:
        for result in ("success", "error"):
            labels = f'controller="{controller.name}",result="{result}"'
            count = controller.results[result]
            lines.append(f"flotta_operator_reconciles_total{{{labels}}} {count}")
    lines.append("# TYPE flotta_operator_queue_length gauge")
    for controller in operator.controllers:
        labels = f'controller="{controller.name}"'
        lines.append(f"flotta_operator_queue_length{{{labels}}} {len(controller.queue)}")
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def serving(operator: Operator, settings: Settings) -> AsyncIterator[None]:
    """Serve while the block runs; raises ValueError with a sentence for an address in use."""
    runner = web.AppRunner(_application(operator), access_log=None)
    await runner.setup()
    try:
        for host, port in {
            settings.probe_address,
            settings.metrics_address or settings.probe_address,
        }:
            await _listen(runner, host, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ValueError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _application(operator: Operator) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if operator.fleet.synced:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the caches are not filled yet\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=metrics_text(operator), headers={"Content-Type": _PROMETHEUS})

    application = web.Application()
    for path, handler in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        application.router.add_get(path, handler)
    return application


_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
