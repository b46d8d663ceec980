"""The Events that a device may cause: how many, and about what."""

from __future__ import annotations

from edge_api_store import Object, Store
from fleet_objects import device, workload

from flotta.edge_api.backends.crd import event_limits
from flotta.edge_api.backends.crd.event_limits import EventLimits
from flotta.edge_api.backends.crd.events import EVENTS_PER_HEARTBEAT, Events
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.rate_limits import KeyedBuckets
from flotta.protocol.models import EventInfo
from flotta.resources.kinds import Kind

BURST = int(event_limits.EVENT_BURST)
DEVICE = device({}, {"workloads": [{"name": "web", "phase": "Running"}]})


class Caches:
    """EdgeWorkloads `web` and `payroll`, of which the device runs the first."""

    def lookup(self, kind: Kind, namespace: str, name: str) -> Object | None:
        foreign = workload("payroll")
        foreign["spec"]["device"] = "another"
        return {"web": workload("web"), "payroll": foreign}.get(name)


class Site:
    def __init__(self) -> None:
        self.store = Store()
        self.metrics = EdgeApiMetrics()
        self.limits = EventLimits(self.metrics)
        self.events = Events(self.store, Caches(), self.limits)  # type: ignore[arg-type]

    async def report(self, *events: EventInfo, by: Object = DEVICE) -> None:
        await self.events.write_heartbeat_events(by, events, by["status"], by["status"])

    def dropped(self, cause: str) -> float:
        labels = {"cause": cause}
        name = "flotta_api_edge_devices_dropped_events"
        return self.metrics.registry.get_sample_value(name, labels) or 0


async def test_a_flood_of_events_ends_after_the_burst() -> None:
    site = Site()
    for number in range(100):
        await site.report(EventInfo(reason="Flood", message=f"message {number}", workload="web"))

    assert site.store.events.count("EdgeDevice Flood") == BURST
    assert site.store.events.count("EdgeWorkload Flood") == BURST
    assert site.dropped("rate") == 2 * (100 - BURST)


async def test_an_event_without_a_reason_has_one_in_its_place() -> None:
    site = Site()
    await site.report(EventInfo(reason="", message="a message"))

    assert site.store.events == ["EdgeDevice Device"]


async def test_a_flood_of_one_device_takes_nothing_from_another() -> None:
    site = Site()
    for number in range(100):
        await site.report(EventInfo(reason="Flood", message=f"message {number}", workload="web"))
    other = device({}, DEVICE["status"])
    other["metadata"]["name"] = "d-18"
    await site.report(EventInfo(reason="Real", message="a message", workload="web"), by=other)

    assert site.store.events[-2:] == ["EdgeDevice Real", "EdgeWorkload Real"]


async def test_an_event_about_a_workload_of_others_stays_with_the_device() -> None:
    site = Site()
    await site.report(EventInfo(reason="Stolen", message="a message", workload="payroll"))
    await site.report(EventInfo(reason="Stolen", message="a message", workload="unheard-of"))

    assert site.store.events == ["EdgeDevice Stolen"] * 2
    assert site.dropped("foreign") == 1


async def test_a_selected_workload_is_the_devices_own_before_its_status_says_so() -> None:
    site = Site()
    new = device({})
    selected = workload("web")
    selected["spec"]["device"] = new["metadata"]["name"]

    assert site.limits.admit_workload(new, selected)


async def test_what_one_heartbeat_reports_is_counted_beyond_the_limit() -> None:
    site = Site()
    events = [EventInfo(reason="Flood", message=f"m {number}") for number in range(60)]
    await site.report(*events)

    assert site.dropped("number") == 60 - EVENTS_PER_HEARTBEAT


def test_a_token_comes_back_after_five_minutes() -> None:
    now = 0.0
    buckets = KeyedBuckets(event_limits.EVENT_RATE, event_limits.EVENT_BURST, clock=lambda: now)
    assert [buckets.take("a") for _ in range(BURST + 1)] == [True] * BURST + [False]
    now = 301.0

    assert [buckets.take("a") for _ in range(2)] == [True, False]
