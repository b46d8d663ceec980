"""A device is called silent only while nobody has heard it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from edge_api_store import Object, Store
from fleet_objects import device

from flotta.edge_api.backends.fleet_cache import FleetCache
from flotta.edge_api.backends.presence_keeper import PresenceKeeper
from flotta.edge_api.backends.statuses import Statuses
from flotta.fleet import presence

KEY = ("default", "d-17")
SEEN = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
Change = Callable[[Object], Object]


async def fell_silent(_: Object) -> None:
    raise AssertionError("nothing is written here")


@pytest.fixture
def keeper() -> PresenceKeeper:
    store = Store()
    fleet = FleetCache(store)  # type: ignore[arg-type]
    return PresenceKeeper(fleet, Statuses(store, fleet.devices), 1, fell_silent)  # type: ignore[arg-type]


def judged(keeper: PresenceKeeper) -> Change:
    """Return what is to be written about a device that was last seen long ago."""
    change = keeper._due(device({}, presence.heard({}, SEEN)), datetime.now(UTC) + timedelta(1))
    assert change is not None
    return change


def test_a_device_that_nobody_hears_becomes_unknown(keeper: PresenceKeeper) -> None:
    newest = device({}, presence.heard({}, SEEN))

    assert presence.ready(judged(keeper)(newest)) == "Unknown"


def test_a_heartbeat_that_another_replica_wrote_keeps_a_device_ready(
    keeper: PresenceKeeper,
) -> None:
    newest = device({}, presence.heard({}, SEEN + timedelta(seconds=1)))

    assert judged(keeper)(newest) == newest["status"]


def test_a_heartbeat_that_came_before_the_write_keeps_a_device_ready(
    keeper: PresenceKeeper,
) -> None:
    newest = device({}, presence.heard({}, SEEN))
    change = judged(keeper)

    keeper.heard(KEY, datetime.now(UTC))

    assert change(newest) == newest["status"]
