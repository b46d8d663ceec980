"""Which pending handshake gives way to a newcomer."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from flotta.serving.limits import Limits
from flotta.serving.pending import (
    SPARED,
    STALLED,
    UNANSWERED,
    Pending,
    PendingHandshakes,
    network_of,
)
from flotta.serving.unfinished import BURST, MOST_ADDRESSES, RATE, UnfinishedHandshakes

FLOODER, NAT = "198.51.100.1", "192.0.2.1"


class Door:
    """Makes pending connections, with a peer that can speak."""

    def __init__(self, limits: Limits, stack: ExitStack) -> None:
        self.pending = PendingHandshakes(limits)
        self._stack = stack
        self._peers: dict[Pending, socket.socket] = {}

    def new(self, host: str, age: float = 0.0, *, speaks: bool = False) -> Pending:
        ours, theirs = (self._stack.enter_context(end) for end in socket.socketpair())
        ours.setblocking(False)
        made = Pending(ours, host, 4711, since=time.monotonic() - age)
        self._peers[made] = theirs
        if speaks:
            self.speak(made)
        made.has_spoken = speaks
        self.pending.add(made)
        return made

    def speak(self, pending: Pending) -> None:
        self._peers[pending].send(b"\x16")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_the_oldest_that_has_said_nothing_gives_way(stack: ExitStack) -> None:
    door = Door(Limits(100, 4), stack)
    door.new(NAT, 2 * SPARED, speaks=True)
    oldest = door.new(NAT, 2 * SPARED)
    door.new(FLOODER, SPARED)
    door.new(FLOODER, 0)

    assert door.pending.is_full
    assert door.pending.find_stalled() is oldest


def test_one_that_has_spoken_unnoticed_does_not_give_way(stack: ExitStack) -> None:
    door = Door(Limits(100, 4), stack)
    speaking, silent = door.new(NAT, 3 * SPARED), door.new(NAT, 2 * SPARED)
    door.speak(speaking)

    assert door.pending.find_stalled() is silent
    assert speaking.has_spoken


def test_of_young_ones_the_address_with_most_loses_one(stack: ExitStack) -> None:
    door = Door(Limits(100, 4), stack)
    door.new(NAT)
    flooding = [door.new(FLOODER) for _ in range(3)]

    assert door.pending.find_stalled() is flooding[0]


def test_the_only_one_of_an_address_has_time_to_speak(stack: ExitStack) -> None:
    door = Door(Limits(100, 2), stack)
    door.new(NAT)
    door.new(FLOODER, speaks=True)

    assert door.pending.find_stalled() is None


def test_a_handshake_that_stalls_gives_way(stack: ExitStack) -> None:
    door = Door(Limits(100, 2), stack)
    stalled = door.new(FLOODER, 2 * STALLED, speaks=True)
    door.new(NAT, speaks=True)

    assert door.pending.find_stalled() is stalled


def test_addresses_do_not_matter_until_half_is_taken(stack: ExitStack) -> None:
    door = Door(Limits(100, 8), stack)
    flooding = [door.new(FLOODER, 2 * SPARED) for _ in range(4)]

    assert door.pending.find_above_share(flooding[-1]) is None
    one_more = door.new(FLOODER)
    assert door.pending.find_above_share(one_more) is flooding[0]
    assert door.pending.find_above_share(door.new(NAT)) is None


def test_hidden_addresses_do_not_matter_at_all(stack: ExitStack) -> None:
    door = Door(Limits(100, 8, by_address=False), stack)
    flooding = [door.new(FLOODER, 2 * SPARED) for _ in range(8)]

    assert door.pending.find_above_share(flooding[-1]) is None
    assert door.pending.find_stalled() is flooding[0]


def test_an_address_that_a_balancer_passed_on_counts_from_then(stack: ExitStack) -> None:
    door = Door(Limits(100, 8), stack)
    balancer = "10.0.0.1"
    flooding = [door.new(balancer, 2 * SPARED) for _ in range(6)]
    for one in flooding[:5]:
        door.pending.rename(one, FLOODER, 1)
    door.pending.rename(flooding[5], NAT, 1)

    assert door.pending.find_above_share(flooding[5]) is None
    assert door.pending.find_above_share(flooding[4]) is flooding[0]
    for one in flooding:
        door.pending.discard(one)
    assert len(door.pending) == 0
    assert door.pending.find_stalled() is None


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_ipv6_address_counts_with_its_network(host: str, network: str) -> None:
    assert network_of(host) == network


@pytest.fixture
def link(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return the ends of a TCP connection, the server's first."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    theirs = stack.enter_context(socket.create_connection(listening.getsockname()))
    ours = stack.enter_context(listening.accept()[0])
    ours.setblocking(False)
    return ours, theirs


def test_less_than_a_whole_client_hello_gives_way_sooner(
    link: tuple[socket.socket, socket.socket],
) -> None:
    pending = PendingHandshakes(Limits(100, 1, by_address=False))
    ours, theirs = link
    waiting = Pending(ours, NAT, 4711, has_spoken=True)
    pending.add(waiting)
    theirs.send(b"\x16")
    assert ours.recv(1) == b"\x16"  # as TLS does, which waits for more
    assert pending.find_stalled() is None

    waiting.since -= UNANSWERED
    assert pending.find_stalled() is waiting
    assert waiting.has_stalled()


def test_what_was_not_read_or_was_answered_has_its_whole_time(
    link: tuple[socket.socket, socket.socket],
) -> None:
    pending = PendingHandshakes(Limits(100, 1, by_address=False))
    ours, theirs = link
    theirs.send(b"\x16")
    waiting = Pending(ours, NAT, 4711, has_spoken=True, since=time.monotonic() - 2 * UNANSWERED)
    assert ours.recv(1, socket.MSG_PEEK) == b"\x16"  # it has come
    assert waiting.is_answered()
    pending.add(waiting)
    assert pending.find_stalled() is None

    ours.recv(1)
    assert not waiting.is_answered()
    ours.send(b"ServerHello")
    assert waiting.is_answered()
    assert not waiting.has_stalled()


def test_an_address_that_finishes_nothing_is_found_and_one_with_thousands_is_not() -> None:
    """A flood of 170 a second, as 512 slots of three seconds allow, beside 5,000 devices."""
    now = 0.0
    unfinished = UnfinishedHandshakes(lambda: now)
    refused = refused_devices = 0
    for step in range(5000):
        now += 1 / 170
        if unfinished.are_too_many(FLOODER):
            refused += 1
        else:
            unfinished.note(FLOODER)
        if step % 100 == 0:  # one in a hundred devices has a bad link
            unfinished.note(NAT)
        refused_devices += unfinished.are_too_many(NAT)

    assert refused_devices == 0
    assert 5000 - refused <= BURST + now * RATE + 1

    now += BURST / RATE
    assert not unfinished.are_too_many(FLOODER)


def test_addresses_count_as_networks_and_are_not_remembered_without_end() -> None:
    unfinished = UnfinishedHandshakes(lambda: 0.0)
    for host in range(BURST):
        unfinished.note(f"2001:db8::{host:x}")
    assert unfinished.are_too_many("2001:db8::ffff")
    assert not unfinished.are_too_many("2001:db8:0:1::1")

    for number in range(MOST_ADDRESSES):
        unfinished.note(f"10.0.{number // 256}.{number % 256}")
    assert not unfinished.are_too_many("2001:db8::ffff")
