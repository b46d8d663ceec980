"""A device counts as silent only if no replica hears from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from edge_api_store import Object, Store
from fleet_objects import device

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.presence import PresenceTracker
from flotta.edge_api.backends.crd.statuses import Statuses
from flotta.fleet import presence

KEY = ("default", "d-17")
SEEN = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
Change = Callable[[Object], Object]


async def fell_silent(_: Object) -> None:
    raise AssertionError("nothing is written here")


@pytest.fixture
def tracker() -> PresenceTracker:
    store = Store()
    caches = Caches(store)  # type: ignore[arg-type]
    return PresenceTracker(caches, Statuses(store, caches.devices), 1, fell_silent)  # type: ignore[arg-type]


def judged(tracker: PresenceTracker) -> Change:
    """Return what is to be written about a device that was last seen long ago."""
    change = tracker._due_change(
        device({}, presence.mark_heard({}, SEEN)), datetime.now(UTC) + timedelta(1)
    )
    assert change is not None
    return change


def test_a_device_that_no_replica_hears_becomes_unknown(tracker: PresenceTracker) -> None:
    newest = device({}, presence.mark_heard({}, SEEN))

    assert presence.ready_status(judged(tracker)(newest)) == "Unknown"


def test_a_heartbeat_that_another_replica_wrote_keeps_a_device_ready(
    tracker: PresenceTracker,
) -> None:
    newest = device({}, presence.mark_heard({}, SEEN + timedelta(seconds=1)))

    assert judged(tracker)(newest) == newest["status"]


def test_a_heartbeat_that_came_before_the_write_keeps_a_device_ready(
    tracker: PresenceTracker,
) -> None:
    newest = device({}, presence.mark_heard({}, SEEN))
    change = judged(tracker)

    tracker.record_heartbeat(KEY, datetime.now(UTC), {"serialNumber": "1f"})

    assert change(newest) == newest["status"]
