"""Whom the brake lets remove everything because a remote data store says so, and for how long.

The record is in real files; the clocks are not real.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from flotta.edge_api.backends.files.stores import Files
from flotta.edge_api.backends.remote.brake import WipeBrake
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.edge_api.backends.remote.grants import KEY, REMEMBERED, Grants, Leaver
from flotta.own_names import WIPE_GRANTS_SECRET


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Replicas:
    """Edge APIs with one record; each start of one is a brake that knows nothing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock, self.wall_clock = Clock(1000.0), Clock(1_700_000_000.0)
        self.files: list[Files] = []

    def start(self, per_hour: int) -> WipeBrake:
        files = Files(self.directory)
        self.files.append(files)
        return WipeBrake(per_hour, Grants(files.secrets, self.clock, self.wall_clock), self.clock)

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds
        self.wall_clock.now += seconds

    @property
    def record(self) -> Path:
        return self.directory / WIPE_GRANTS_SECRET / KEY


@pytest_asyncio.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[Replicas]:
    made = Replicas(tmp_path / "certificates")
    yield made
    for files in made.files:
        await files.close()


def leaver(number: int, uid: str = "") -> Leaver:
    return Leaver(DeviceName("default", f"till-{number}"), uid)


async def ask(brake: WipeBrake, numbers: range) -> list[int]:
    """Return which of these devices may remove everything."""
    return [number for number in numbers if await brake.grant(leaver(number))]


async def test_so_many_devices_an_hour_may_go(replicas: Replicas) -> None:
    brake = replicas.start(2)
    assert await ask(brake, range(4)) == [0, 1]
    assert await brake.grant(leaver(1))  # the same device again
    assert not await brake.grant(leaver(1, "of a later one"))
    assert brake.held == 3
    replicas.sleep(3500)
    assert not await brake.grant(leaver(2))
    brake.release(leaver(2))
    assert brake.held == 2
    replicas.sleep(101)  # an hour after the first two
    assert await brake.grant(leaver(3))
    assert brake.held == 0  # the others have not asked for an hour


async def test_a_brake_of_zero_grants_nothing(replicas: Replicas) -> None:
    assert await ask(replicas.start(1), range(1)) == [0]
    assert await ask(replicas.start(0), range(2)) == []  # not even again


async def test_a_restart_forgets_no_grant(replicas: Replicas) -> None:
    assert await ask(replicas.start(2), range(6)) == [0, 1]
    for _ in range(3):
        replicas.sleep(600)
        assert await ask(replicas.start(2), range(5, -1, -1)) == [1, 0]
    assert await ask(replicas.start(1), range(6)) == [0, 1]  # what is lowered takes back nothing
    assert replicas.record.stat().st_mode & 0o777 == 0o600


async def test_replicas_count_together(replicas: Replicas) -> None:
    first, second = replicas.start(3), replicas.start(3)
    assert await ask(first, range(2)) == [0, 1]
    assert await ask(second, range(10, 15)) == [10]
    assert await ask(first, range(20, 25)) == []
    third, fourth = replicas.start(100), replicas.start(100)
    both = await asyncio.gather(ask(third, range(30, 45)), ask(fourth, range(50, 65)))
    assert [len(granted) for granted in both] == [15, 15]  # at once: none is lost
    assert len(json.loads(replicas.record.read_text())) == 33


async def test_who_never_had_its_turn_comes_first(replicas: Replicas) -> None:
    brake = replicas.start(2)
    assert await ask(brake, range(3)) == [0, 1]  # which never carry it out
    replicas.sleep(3000)
    assert await ask(brake, range(2, 3)) == []
    replicas.sleep(700)
    assert await ask(brake, range(2)) == [0]
    assert await ask(brake, range(2, 3)) == [2]


@pytest.mark.parametrize("step", [-(10**9), 10**9, 3700])
async def test_a_step_of_the_wall_clock_grants_no_more(replicas: Replicas, step: int) -> None:
    brake = replicas.start(2)
    assert await ask(brake, range(2)) == [0, 1]
    replicas.wall_clock.now += step
    assert await ask(brake, range(4)) == [0, 1]
    replicas.sleep(3601)
    assert len(await ask(brake, range(4, 8))) == 2  # and no fewer, an hour later
    if step < 0:  # what is recorded of the future counts for an hour after a start
        later = replicas.start(3)
        assert await ask(later, range(10, 12)) == []
        replicas.sleep(3601)
        assert await ask(later, range(10, 12)) == [10, 11]


@pytest.mark.parametrize("text", ["", "[]", '{"a": "b"}', "{" * 10_000])
async def test_nobody_is_granted_what_cannot_be_recorded(
    replicas: Replicas, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ask(replicas.start(5), range(1)) == [0]
    replicas.record.write_text(text)
    brake = replicas.start(5)

    assert await ask(brake, range(5)) == []

    assert "remove that Secret [WipesHeld]" in caplog.text
    assert brake.held == 5
    (replicas.directory / WIPE_GRANTS_SECRET / "subdirectory.d").mkdir()  # cannot be written, too
    replicas.record.write_text("{}")
    replicas.sleep(10)
    assert await ask(brake, range(5)) == []
    (replicas.directory / WIPE_GRANTS_SECRET / "subdirectory.d").rmdir()
    replicas.sleep(10)
    assert await ask(brake, range(5)) == [0, 1, 2, 3, 4]


async def test_the_record_is_bounded(replicas: Replicas) -> None:
    await ask(replicas.start(1), range(1))
    old = {f"{number:032x}": 1_600_000_000.5 for number in range(REMEMBERED + 500)}
    replicas.record.write_text(json.dumps(old))

    assert await ask(replicas.start(1), range(2)) == [0]

    assert len(json.loads(replicas.record.read_text())) == REMEMBERED
    assert replicas.record.stat().st_size < 2**19
