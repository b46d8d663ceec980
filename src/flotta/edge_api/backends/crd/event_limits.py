"""Which of the Events that a device causes are written.

A device chooses when it reports something, and what. Its Events have the limits that client-go sets
for every writer (EventSourceObjectSpamFilter), and are about the device itself and the workloads
that it has (docs/reference/control-plane.md#limits).
"""

from __future__ import annotations

from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.rate_limits import KeyedBuckets
from flotta.fleet.selection import matches
from flotta.resources.kinds import Kind
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import Resource
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import key_of, name_of, status_of

EVENT_RATE = 1 / 300  # Events a second of one device about one object
EVENT_BURST = 25.0  # Events at once


class EventLimits:
    """Counts each Event that is left out."""

    def __init__(self, metrics: EdgeApiMetrics) -> None:
        self._metrics = metrics
        self._buckets = KeyedBuckets(EVENT_RATE, EVENT_BURST)

    def admit(self, device: EdgeDevice, kind: Kind[Resource], involved: Resource) -> bool:
        """Tell whether the device may cause one more Event about an object now."""
        admitted = self._buckets.take((key_of(device), kind.kind, key_of(involved)))
        if not admitted:
            self.count_dropped("rate")
        return admitted

    def admit_workload(self, device: EdgeDevice, workload: EdgeWorkload) -> bool:
        """Tell whether the device may say something about a workload: it has to have it."""
        listed = status_of(device).get("workloads") or ()
        own = any(entry["name"] == name_of(workload) for entry in listed)
        if own or matches(workload, device):
            return True
        self.count_dropped("foreign")
        return False

    def count_dropped(self, cause: str, number: int = 1) -> None:
        """Count Events that are not written: `rate`, `foreign` or `number`."""
        self._metrics.count_dropped_events(cause, number)
