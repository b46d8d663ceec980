"""The page of metrics has every metric of the programs' registries, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from flotta.edge_api.backends.remote.counters import StoreMetrics
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.identity.expiry import Expiry
from flotta.installation.names import METRICS_PORT, METRICS_SERVICE, PROBE_PORT
from flotta.operator.runtime.monitoring import OperatorMetrics
from flotta.operator.service import Operator
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from unit.docs.tables import REFERENCE, first_cells

PAGE = "metrics.md"
PARTS = ("_bucket", "_sum", "_count")  # samples of a histogram
QUERY = re.compile(r"```promql\n(.*?)```", re.DOTALL)


def edge_api_metrics() -> set[str]:
    metrics = EdgeApiMetrics()
    metrics.count_heartbeat("default", "camera-1")  # a series with labels begins with its first
    metrics.count_refusal(429, "TooManyRequests")
    metrics.count_dropped_events("rate", 1)
    metrics.set_expiries([Expiry("CA", "flotta-ca", datetime.now(UTC), datetime.now(UTC))])
    metrics.latency.labels("data").observe(0.1)
    StoreMetrics(metrics.registry, lambda: True, lambda: 0).count_call("PUT heartbeat", "answered")
    return names_of(metrics.registry.collect())


def operator() -> Operator:
    return Operator(Client.__new__(Client), Settings())


def operator_metrics() -> set[str]:
    registry = CollectorRegistry()
    registry.register(OperatorMetrics(operator()))
    return names_of(registry.collect())


def names_of(metrics: Iterable[Metric]) -> set[str]:
    """Return the names by which metrics are queried, of a histogram that of the whole."""
    return {
        metric.name if metric.type == "histogram" else sample.name
        for metric in metrics
        for sample in metric.samples
    }


def test_the_metrics_of_the_page_are_those_of_the_registries() -> None:
    assert first_cells(PAGE, "Metric") == edge_api_metrics() | operator_metrics()


def test_queries_name_metrics_that_exist() -> None:
    known = edge_api_metrics() | operator_metrics()
    known |= {name + part for name in known for part in PARTS}
    queries = QUERY.findall((REFERENCE / PAGE).read_text())

    assert queries
    assert set(re.findall(r"\bflotta_\w+", " ".join(queries))) <= known


def test_controllers_and_addresses_are_named() -> None:
    text = (REFERENCE / PAGE).read_text()

    assert all(f"`{controller.name}`" in text for controller in operator().controllers)
    assert all(str(name) in text for name in (METRICS_PORT, PROBE_PORT, METRICS_SERVICE))
