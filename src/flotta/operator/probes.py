"""/healthz, /readyz and /metrics of the operator, plain HTTP on the loopback by default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from .service import Operator
from .settings import Settings

STUCK = 600.0  # seconds; longer than any call to API server or S3 with all its retries


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
    application = _application(operator, metrics=settings.metrics_address is not None)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        for address in {settings.probe_address, settings.metrics_address}:
            if address is not None:
                await _listen(runner, *address)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ValueError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _application(operator: Operator, *, metrics: bool) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return _verdict(stuck(operator))

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(deaf(operator))

    async def figures(_: web.Request) -> web.Response:
        return web.Response(text=metrics_text(operator), headers={"Content-Type": _PROMETHEUS})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    if metrics:
        application.router.add_get("/metrics", figures)
    return application


def stuck(operator: Operator) -> list[str]:
    """Return a sentence for each controller whose workers all stay at one object."""
    return [
        f"{controller.name}: no worker came to an end for {controller.busy_seconds:.0f} s"
        for controller in operator.controllers
        if controller.busy_seconds > STUCK
    ]


def deaf(operator: Operator) -> list[str]:
    """Return a sentence for each kind that is not filled, or of which nothing is heard any more."""
    return [cache.unhealthy_reason for cache in operator.caches.all if cache.unhealthy_reason]


def _verdict(troubles: list[str]) -> web.Response:
    return web.Response(status=503 if troubles else 200, text="\n".join(troubles or ["ok"]) + "\n")


_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
