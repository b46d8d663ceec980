"""Memory, circuit breaker and held requests of the backend on a remote data store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from flotta.edge_api.backends.backend import Configuration
from flotta.edge_api.backends.remote.circuit import Circuit
from flotta.edge_api.backends.remote.client import Budget, DeviceName
from flotta.edge_api.backends.remote.held_requests import LOOKERS, HeldRequests
from flotta.edge_api.backends.remote.knowledge import ENTRY, Delivered, Knowledge
from flotta.edge_api.backends.remote.problems import StoreRefused, StoreUnreachable
from flotta.identity.holder import Peer
from flotta.protocol.configuration_api import RegistrationStatus
from waiting import eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEER = Peer("device", "till-7", "default", ("default",), "u", "f", "k", NOW, NOW)
REGISTERED = RegistrationStatus(status="registered")


def name(number: int = 7) -> DeviceName:
    return DeviceName("default", f"till-{number}")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Known:
    """A Knowledge, and of whom it told that something differs."""

    def __init__(self, limit: int = 10**6) -> None:
        self.clock = Clock()
        self.told: list[DeviceName] = []
        self.knowledge = Knowledge(self.told.append, limit, self.clock)

    def read(self, number: int = 7, status: RegistrationStatus = REGISTERED) -> None:
        known, mark = self.knowledge.of(name(number)), self.knowledge.mark
        self.knowledge.keep_status(known, status, mark)

    def current(self, number: int = 7) -> RegistrationStatus | None:
        known = self.knowledge.of(name(number))
        return self.knowledge.current(known, known.status)

    def usable(self, seconds: float) -> RegistrationStatus | None:
        return self.knowledge.usable(self.knowledge.of(name()).status, seconds)


def test_without_a_feed_a_reading_counts_for_a_moment() -> None:
    known = Known()
    assert known.current() is None
    known.read()
    assert known.current() == REGISTERED
    known.clock.now += 0.3
    assert known.current() is None
    assert known.usable(10) == REGISTERED
    known.clock.now += 10
    assert known.usable(10) is None


def test_with_a_feed_a_reading_counts_until_it_tells_of_a_change() -> None:
    known = Known()
    known.knowledge.has_feed = True
    known.read(7)
    known.read(8)
    known.clock.now += 200
    assert known.current(7) == REGISTERED

    known.knowledge.note_change(name(7))

    assert known.current(7) is None
    assert known.current(8) == REGISTERED
    assert known.knowledge.has_changed(name(7))
    known.knowledge.note_all_changed()
    assert known.current(8) is None
    known.read(8)
    assert known.current(8) == REGISTERED
    known.clock.now += 301  # a feed with a defect does not hide a change for ever
    assert known.current(8) is None


def test_a_change_while_a_reading_is_on_its_way_makes_it_old() -> None:
    known = Known()
    known.knowledge.has_feed = True
    entry, mark = known.knowledge.of(name()), known.knowledge.mark
    known.knowledge.note_change(name())

    known.knowledge.keep_status(entry, REGISTERED, mark)

    assert known.current() is None
    assert known.knowledge.has_changed(name())


def test_whoever_waits_is_told_of_another_reading_only() -> None:
    known = Known()
    known.read()
    known.read()
    known.read(status=RegistrationStatus(status="unknown"))
    assert known.told == [name(), name()]


def deliver(known: Known, number: int, content: bytes) -> None:
    entry = known.knowledge.of(name(number))
    delivered = Delivered(Configuration(str(len(content)), content))
    known.knowledge.keep_delivered(entry, delivered, known.knowledge.mark)


def test_memory_is_bounded_by_bytes_and_forgets_whom_nobody_asks_about() -> None:
    known = Known(limit=10 * (ENTRY + 1000))
    for number in range(100):
        deliver(known, number, b"x" * 1000)
        known.knowledge.of(name(0))
    assert len(known.knowledge) == 10
    assert known.knowledge.size <= 10 * (ENTRY + 1000)
    assert known.knowledge.of(name(0)).delivered is not None
    assert known.knowledge.of(name(5)).delivered is None


def test_what_is_kept_for_a_forgotten_device_does_not_count() -> None:
    known = Known(limit=3 * ENTRY)
    forgotten = known.knowledge.of(name(0))
    for number in range(1, 5):
        known.read(number)
    size = known.knowledge.size

    delivered = Delivered(Configuration("1", b"x" * 10**6))
    known.knowledge.keep_delivered(forgotten, delivered, 0)

    assert known.knowledge.size == size
    deliver(known, 9, b"x" * 10**6)  # larger than all of it: kept alone
    assert len(known.knowledge) == 1
    deliver(known, 9, b"x")
    assert known.knowledge.size == ENTRY + 1


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [
        (RegistrationStatus(status="registered", uid="u1"), True),
        (RegistrationStatus(status="registered", uid="u2"), False),
        (RegistrationStatus(status="unknown"), False),
        (RegistrationStatus(status="unregistered", uid="u1"), False),
    ],
)
def test_a_configuration_is_known_as_long_as_its_device_is_registered(
    status: RegistrationStatus, is_kept: bool
) -> None:
    known = Known()
    known.read(status=RegistrationStatus(status="registered", uid="u1"))
    deliver(known, 7, b"x" * 1000)
    known.read(status=status)
    assert (known.knowledge.of(name()).delivered is not None) is is_kept
    assert known.knowledge.size == ENTRY + 1000 * is_kept


OUTAGE = StoreUnreachable("It is away", is_outage=True)


def opened(clock: Clock) -> Circuit:
    circuit = Circuit(clock)
    for _ in range(5):
        circuit.failed(OUTAGE, is_probe=circuit.enter())
    assert circuit.is_open
    return circuit


def test_a_circuit_opens_after_outages_one_after_the_other() -> None:
    circuit = Circuit(Clock())
    for _ in range(3):
        for _ in range(4):
            circuit.failed(OUTAGE, is_probe=circuit.enter())
        circuit.succeeded()
    assert not circuit.is_open
    assert circuit.has_answered


def test_an_open_circuit_lets_one_call_try_after_a_while() -> None:
    clock = Clock()
    circuit = opened(clock)
    with pytest.raises(StoreUnreachable, match="It is away"):
        circuit.enter()
    clock.now += 1
    assert circuit.enter()
    with pytest.raises(StoreUnreachable):  # another one, while the first tries
        circuit.enter()
    circuit.failed(OUTAGE, is_probe=True)
    clock.now += 0.9
    with pytest.raises(StoreUnreachable):  # for longer than before
        circuit.enter()
    clock.now += 1.1
    assert circuit.enter()
    circuit.succeeded()
    assert not circuit.enter()


def test_a_try_that_is_cancelled_leaves_its_place_to_another() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += 1
    assert circuit.enter()
    circuit.left(is_probe=True)
    assert circuit.enter()


def test_what_an_open_circuit_says_has_the_reason_of_the_outage() -> None:
    circuit = Circuit(Clock())
    for _ in range(5):
        circuit.failed(StoreRefused("No", is_outage=True), is_probe=circuit.enter())
    with pytest.raises(StoreRefused) as refused:
        circuit.enter()
    assert refused.value.refusal.reason == "StoreRefused"


def test_an_answer_that_cannot_be_used_closes_a_circuit_and_is_not_all_that_was_hoped_for() -> None:
    clock = Clock()
    circuit = opened(clock)
    circuit.answered(StoreRefused("Not you"))
    assert not circuit.is_open
    assert not circuit.has_answered
    assert circuit.last is not None
    assert circuit.last.text == "Not you"
    circuit.succeeded()
    circuit.answered(StoreRefused("Not you"))
    assert circuit.has_answered
    assert circuit.last is None


def test_a_budget_runs_out() -> None:
    clock = Clock()
    budget = Budget(9, clock)
    clock.now += 4
    assert budget.left == 5
    clock.now += 6
    assert budget.left == 0


class Looks:
    """Counts the looks at each device; `begun` are those that have not ended."""

    def __init__(self, interval: float = 1000.0) -> None:
        self.seen: list[DeviceName] = []
        self.most = self.begun = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_usable = True
        self.held = HeldRequests(self.look, interval, lambda: self.is_usable)

    async def look(self, name: DeviceName, _: Peer) -> None:
        self.begun += 1
        self.most = max(self.most, self.begun)
        await self.gate.wait()
        self.begun -= 1
        self.seen.append(name)
        if not self.is_usable:
            raise StoreUnreachable("away", is_outage=True)


async def test_many_held_devices_are_looked_at_a_few_at_a_time() -> None:
    looks = Looks()
    looks.gate.clear()
    running = asyncio.create_task(looks.held.run())
    waits = [asyncio.create_task(looks.held.wait(name(number), PEER, 60)) for number in range(200)]
    await asyncio.sleep(0)
    assert len(looks.held) == 200

    looks.held.look_soon(name(number) for number in range(300))
    await eventually(lambda: looks.begun == LOOKERS)
    looks.gate.set()
    await eventually(lambda: len(looks.seen) == 200)

    assert looks.most == LOOKERS
    assert sorted(looks.seen) == sorted(name(number) for number in range(200))
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert len(looks.held) == 0
    running.cancel()


async def test_a_device_that_holds_nothing_any_more_is_not_looked_at() -> None:
    looks = Looks(interval=0.01)
    running = asyncio.create_task(looks.held.run())
    await looks.held.wait(name(), PEER, 0.2)
    seen = len(looks.seen)
    assert seen >= 2
    await eventually(lambda: looks.held.planned == 0)
    assert len(looks.seen) <= seen + 1
    assert len(looks.held) == 0
    running.cancel()


async def test_a_look_that_is_planned_again_is_made_once() -> None:
    looks = Looks()
    wait = asyncio.create_task(looks.held.wait(name(), PEER, 60))
    await asyncio.sleep(0)
    looks.held.look_soon([name()] * 5)
    running = asyncio.create_task(looks.held.run())
    await eventually(lambda: looks.seen and looks.held.planned == 2)  # the next, and the first
    assert looks.seen == [name()]
    wait.cancel()
    running.cancel()


async def test_looks_at_all_that_come_without_end_take_no_memory_and_starve_nobody() -> None:
    looks = Looks()
    looks.held.polls = False
    waits = [asyncio.create_task(looks.held.wait(name(number), PEER, 60)) for number in range(200)]
    await asyncio.sleep(0)
    running = asyncio.create_task(looks.held.run())

    async def are_all_seen() -> bool:
        for _ in range(20):
            looks.held.look_at_all()
        return len(set(looks.seen)) == 200

    await eventually(are_all_seen)  # the last one is due after 0.4 s
    assert looks.held.planned <= 200

    for number in range(5000):  # planned for later first, and then for now
        looks.held._plan(
            name(number % 200), looks.held._held[name(number % 200)], 9.0 - number / 1000
        )
    assert looks.held.planned <= 1401
    for wait in waits:
        wait.cancel()
    running.cancel()


async def test_an_outage_is_no_reason_to_look_more_often() -> None:
    looks = Looks(interval=0.01)
    looks.is_usable = False
    running = asyncio.create_task(looks.held.run())
    waits = [asyncio.create_task(looks.held.wait(name(number), PEER, 60)) for number in range(100)]
    await eventually(lambda: len(looks.seen) >= LOOKERS)
    begun = asyncio.get_running_loop().time()
    counted = len(looks.seen)
    await eventually(lambda: len(looks.seen) >= counted + LOOKERS)
    seconds = asyncio.get_running_loop().time() - begun
    assert (len(looks.seen) - counted) / seconds < 100  # of 10,000 that are due
    for wait in waits:
        wait.cancel()
    running.cancel()


async def test_waking_ends_every_request_of_a_device() -> None:
    looks = Looks()
    waits = [asyncio.create_task(looks.held.wait(name(), PEER, 60)) for _ in range(3)]
    other = asyncio.create_task(looks.held.wait(name(8), PEER, 60))
    await asyncio.sleep(0)

    looks.held.wake(name())

    await asyncio.wait_for(asyncio.gather(*waits), 10)
    assert not other.done()
    looks.held.wake_all()
    await asyncio.wait_for(other, 10)
