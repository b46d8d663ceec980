"""Metrics of the backend (docs/reference/metrics.md#remote-data-store)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

CALLS = "flotta_api_store_calls_total"
STALE = "flotta_api_store_stale_answers_total"
USABLE = "flotta_api_store_usable"
HELD = "flotta_api_store_wipes_held"


class StoreMetrics(Collector):
    """Counts calls and stale answers; asks `is_usable` and `held` at a scrape."""

    def __init__(
        self, registry: CollectorRegistry, is_usable: Callable[[], bool], held: Callable[[], int]
    ) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()  # by operation and outcome
        self._stale: Counter[str] = Counter()  # by what was answered
        self._is_usable = is_usable
        self._held = held
        registry.register(self)

    def count_call(self, operation: str, outcome: str) -> None:
        """Count an attempt of a call: `answered`, `failed` or `cancelled`."""
        self._calls[operation, outcome] += 1

    def count_stale(self, what: str) -> None:
        """Count an answer to a device by what was known before: `membership`, `configuration`."""
        self._stale[what] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics (called by prometheus_client at a scrape)."""
        calls = Metric(CALLS, "Calls to the data store.", "counter")
        for (operation, outcome), count in self._calls.items():
            calls.add_sample(CALLS, {"operation": operation, "outcome": outcome}, count)
        yield calls
        stale = Metric(STALE, "Answers by what was known before.", "counter")
        for what in ("configuration", "membership"):
            stale.add_sample(STALE, {"what": what}, self._stale[what])
        yield stale
        usable = Metric(USABLE, "Whether the data store is asked.", "gauge")
        usable.add_sample(USABLE, {}, int(self._is_usable()))
        yield usable
        held = Metric(HELD, "Devices that are to go, and held by the brake.", "gauge")
        held.add_sample(HELD, {}, self._held())
        yield held
