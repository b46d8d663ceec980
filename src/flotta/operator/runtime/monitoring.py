"""Health, readiness and Prometheus metrics of the operator.

Dashboards depend on the names of the metrics, which docs/reference/metrics.md#operator lists.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flotta.fleet.tombstones import is_held
from flotta.monitoring import MonitoringServer
from flotta.operator.runtime.caches import Caches
from flotta.operator.runtime.controller import Controller
from flotta.operator.settings import Settings
from flotta.resources.kinds import EDGE_DEVICE

STUCK_AFTER = 600.0  # seconds; longer than any call to API server or S3 with all its retries


class Monitored(Protocol):
    """The operator as a whole, as far as this layer needs it."""

    caches: Caches
    controllers: tuple[Controller, ...]


@asynccontextmanager
async def serve_monitoring(operator: Monitored, settings: Settings) -> AsyncIterator[None]:
    """Serve while the block runs; raises ValueError with a sentence for an address in use."""
    server = MonitoringServer(
        registry=None if settings.metrics_address is None else _make_registry(operator),
        unhealthy=lambda: find_stuck_controllers(operator),
        unready=operator.caches.find_stale,
    )
    try:
        for address in {settings.probe_address, settings.metrics_address}:
            if address is not None:
                await server.listen(*address)
        yield
    finally:
        await server.close()


def find_stuck_controllers(operator: Monitored) -> list[str]:
    """Return a sentence for each controller whose workers are all stuck."""
    return [
        f"{controller.name}: no worker has finished for {controller.busy_seconds:.0f} s"
        for controller in operator.controllers
        if controller.busy_seconds > STUCK_AFTER
    ]


def _make_registry(operator: Monitored) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(OperatorMetrics(operator))
    return registry


class OperatorMetrics(Collector):
    """Reads the counts of the controllers at each scrape."""

    def __init__(self, operator: Monitored) -> None:
        self._operator = operator

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics (called by prometheus_client at a scrape)."""
        reconciles = CounterMetricFamily(  # prometheus_client appends _total
            "flotta_operator_reconciles",
            "Finished reconciliations, by result.",
            labels=("controller", "result"),
        )
        queued = GaugeMetricFamily(
            "flotta_operator_queue_length",
            "Objects waiting for a worker.",
            labels=("controller",),
        )
        for controller in self._operator.controllers:
            for result in ("success", "error"):
                reconciles.add_metric((controller.name, result), controller.results[result])
            queued.add_metric((controller.name,), len(controller.queue))
        devices = self._operator.caches.of(EDGE_DEVICE).list()
        held = GaugeMetricFamily(
            "flotta_operator_wipes_held",
            "Deleted devices whose wipe waits for an administrator's word.",
            value=sum(map(is_held, devices)),
        )
        yield from (reconciles, queued, held)
