"""Prometheus metrics of the Edge API (docs/reference/metrics.md#edge-api).

Dashboards depend on these names, which are those of Flotta v0.2. prometheus_client appends `_total`
to the name of a Counter, so the counters are collected here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from flotta.identity.expiry import Expiry
from flotta.serving.limits import CAPS, Cap

CAPPED = "flotta_api_connections_capped_total"
EXPIRY = "flotta_api_certificate_expiry_timestamp_seconds"
WARNING = "flotta_api_certificate_warning_timestamp_seconds"
PREFIX = "flotta_api_edge_devices_"
PLAIN = {
    "successful_registration": "Registrations that gave a device its certificate.",
    "failed_registration": "Registrations that failed, without those that wait for approval.",
    "unregistration": "Responses with the command disconnect.",
    "failed_authentication": "Requests refused with 401.",
    "invalid_owner": "Requests refused with 403.",
}
STATUSES = {401: "failed_authentication", 403: "invalid_owner"}  # HTTP status of a refusal


class EdgeApiMetrics(Collector):
    """Counters of one server; each has its own registry, so that a process may have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._expiries: tuple[Expiry, ...] = ()
        self._plain = dict.fromkeys(PLAIN, 0)
        self._capped: dict[Cap, int] = dict.fromkeys(CAPS, 0)
        self._heartbeats: dict[tuple[str, str], int] = {}
        self._refused: Counter[str] = Counter()  # by reason
        self._dropped_events: Counter[str] = Counter()  # by cause
        self.latency = Histogram(
            "flotta_api_request_seconds",
            "Time from request to response; held requests are not counted.",
            ["channel"],
            registry=self.registry,
        )
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def count(self, name: str) -> None:
        """Increase one of the counters without labels."""
        self._plain[name] += 1

    def count_refusal(self, status: int, reason: str) -> None:
        """Count a refused request."""
        self._refused[reason] += 1
        if status in STATUSES:
            self.count(STATUSES[status])

    def count_dropped_events(self, cause: str, number: int) -> None:
        """Count Events of a device that were not written."""
        if number:
            self._dropped_events[cause] += number

    def count_cap(self, cap: Cap) -> None:
        """Count a connection that was closed or refused because of a cap."""
        self._capped[cap] += 1

    def count_heartbeat(self, namespace: str, device_id: str) -> None:
        """Count a stored heartbeat of a device."""
        key = (namespace, device_id)
        self._heartbeats[key] = self._heartbeats.get(key, 0) + 1

    def forget(self, namespace: str, device_id: str) -> None:
        """Drop the series of a deleted device."""
        self._heartbeats.pop((namespace, device_id), None)

    def set_expiries(self, expiries: Iterable[Expiry]) -> None:
        """Replace what is known of when certificates expire."""
        self._expiries = tuple(expiries)

    def collect(self) -> Iterator[Metric]:
        """Yield the counters under their exact names (called by prometheus_client at a scrape)."""
        for name, value in self._plain.items():
            metric = Metric(PREFIX + name, PLAIN[name], "counter")
            metric.add_sample(PREFIX + name, {}, value)
            yield metric
        metric = Metric(CAPPED, "Connections closed or refused because of a cap.", "counter")
        for cap, count in self._capped.items():
            metric.add_sample(CAPPED, {"cap": cap}, count)
        yield metric
        yield _labelled("refused", "Refused requests.", "reason", self._refused)
        yield _labelled(
            "dropped_events", "Events of devices not written.", "cause", self._dropped_events
        )
        name = PREFIX + "heartbeat"
        metric = Metric(name, "Heartbeats stored.", "counter")
        for (namespace, device_id), value in self._heartbeats.items():
            metric.add_sample(name, {"deviceNamespace": namespace, "deviceID": device_id}, value)
        yield metric
        expiry = Metric(EXPIRY, "When a certificate expires, in seconds since 1970.", "gauge")
        for item in self._expiries:
            labels = {"kind": item.kind, "name": item.name}
            expiry.add_sample(EXPIRY, labels, item.not_after.timestamp())
        yield expiry
        warning = Metric(WARNING, "When somebody should see to a certificate.", "gauge")
        for item in self._expiries:
            labels = {"kind": item.kind, "name": item.name}
            warning.add_sample(WARNING, labels, item.warning.timestamp())
        yield warning


def _labelled(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    metric = Metric(PREFIX + name, text, "counter")
    for key, value in values.items():
        metric.add_sample(PREFIX + name, {label: key}, value)
    return metric
