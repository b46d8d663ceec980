"""How many wipes the brake grants, in virtual time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from operator_objects import NOW, Object

from flotta.fleet.tombstones import Tombstone, make_tombstone
from flotta.operator.controllers.device.brake import Brake, allowed_wipes
from flotta.rfc3339 import format_time


class Records:
    """The tombstones that a client lists."""

    def __init__(self, *tombstones: Tombstone) -> None:
        self.tombstones = tombstones

    async def list(self, *_: Any, **__: Any) -> list[Object]:
        return [dict(make_tombstone(stone, "flotta")) for stone in self.tombstones]


class Hours:
    """A clock that a test moves."""

    seconds = 1e6

    def __call__(self) -> float:
        return self.seconds


def brake(*tombstones: Tombstone, clock: Hours | None = None) -> Brake:
    return Brake(Records(*tombstones), "flotta", clock or Hours())  # type: ignore[arg-type]


def stone(uid: str, age: timedelta, by: str = "unknown") -> Tombstone:
    return Tombstone(uid, "default", uid, "", "", by, format_time(NOW - age), "granted")


@pytest.mark.parametrize(("fleet", "allowed"), [(0, 10), (999, 10), (1100, 11), (50_000, 500)])
def test_ten_devices_or_a_hundredth_of_the_fleet(fleet: int, allowed: int) -> None:
    assert allowed_wipes(fleet) == allowed


async def test_the_eleventh_device_within_an_hour_is_held_and_the_next_hour_is_another() -> None:
    clock = Hours()
    brakes = brake(clock=clock)
    decisions = []
    for number in range(12):
        decisions.append(await brakes.decide(f"u-{number}", 100, NOW))
        clock.seconds += 60
    assert decisions == ["granted"] * 10 + ["held"] * 2
    assert await brakes.decide("u-9", 100, NOW) == "granted"  # once more
    clock.seconds += 48 * 60
    assert await brakes.decide("u-20", 100, NOW) == "granted"  # the first is an hour old
    assert await brakes.decide("u-21", 100, NOW) == "held"


async def test_a_step_of_the_wall_clock_does_not_end_the_hour() -> None:
    brakes = brake(*(stone(f"r-{n}", timedelta(minutes=30)) for n in range(9)))
    assert await brakes.decide("u-1", 100, NOW) == "granted"
    for step in (timedelta(days=1), timedelta(days=-1)):
        assert await brakes.decide("u-2", 100, NOW + step) == "held"


async def test_another_leader_counts_what_the_tombstones_say() -> None:
    recent = [stone(f"r-{n}", timedelta(minutes=30)) for n in range(9)]
    old = [stone(f"o-{n}", timedelta(hours=2)) for n in range(9)]
    confirmed = [stone(f"c-{n}", timedelta(minutes=1), by="ann") for n in range(9)]
    brakes = brake(*recent, *old, *confirmed)
    assert await brakes.decide("u-1", 100, NOW) == "granted"
    assert await brakes.decide("u-2", 100, NOW) == "held"
    assert await brakes.decide("r-3", 100, NOW) == "granted"
