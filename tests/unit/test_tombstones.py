"""Which certificates a tombstone is about, and which ConfigMaps are tombstones at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from operator_objects import device

from flotta.fleet.adoption import FormerIdentity, find_losses, judge_release
from flotta.fleet.former_keys import KeyReplacement
from flotta.fleet.tombstones import (
    CONFIRMED_ANNOTATION,
    Tombstone,
    confirmed_by,
    make_confirmation,
    make_tombstone,
    read_tombstone,
)
from flotta.identity.holder import Peer

CREATED = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
DELETED = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STONE = Tombstone(
    "till-1",
    "default",
    "u-1",
    "2026-03-01T08:00:00Z",
    "ab",
    "unknown",
    "2026-05-01T12:00:00Z",
    "granted",
)


def peer(uid: str | None = "u-1", key: str = "ab", signed: datetime = CREATED) -> Peer:
    """Return a certificate as v0.2 signs it: it begins a day before."""
    begin = signed - timedelta(days=1)
    return Peer("device", "till-1", "default", ("default",), uid, "", key, begin, begin)


def test_a_tombstone_is_read_as_it_was_written() -> None:
    replaced = KeyReplacement("ab", "cd", "2026-04-01T08:00:00Z")
    others = {"former": FormerIdentity("", "cd")}, {"replacement": replaced}
    for stone in (STONE, *(replace(STONE, wipe="held", **other) for other in others)):  # type: ignore[arg-type]
        made = make_tombstone(stone, "flotta")
        assert read_tombstone(made) == stone
        assert made.get("immutable", False) is stone.granted


def test_what_is_not_a_tombstone_wipes_nothing() -> None:
    made = make_tombstone(STONE, "flotta")
    assert read_tombstone(None) is None
    assert read_tombstone({**made, "metadata": {**made["metadata"], "labels": {}}}) is None
    assert read_tombstone({**made, "metadata": {**made["metadata"], "name": "other"}}) is None
    assert read_tombstone({**made, "data": {}}) is None
    damaged = read_tombstone({**made, "data": {**made["data"], "wipe": "Granted"}})
    assert damaged is not None
    assert not damaged.granted


def test_a_certificate_is_known_by_its_uid_whatever_its_key() -> None:
    assert STONE.holds_for(peer(key="cd"))
    assert not STONE.holds_for(peer("u-2"))
    assert not STONE.holds_for(replace(peer(), namespace="shop"))
    assert not STONE.holds_for(replace(peer(), device_id="till-2"))


@pytest.mark.parametrize(
    ("signed", "held"),
    [
        (CREATED - timedelta(hours=1), False),
        (CREATED - timedelta(minutes=4), True),
        (DELETED + timedelta(minutes=4), True),
        (DELETED + timedelta(hours=1), False),
    ],
)
def test_a_certificate_of_v0_2_is_known_by_the_time_of_its_signature(
    signed: datetime, held: bool
) -> None:
    assert STONE.holds_for(peer(None, signed=signed)) is held


def test_a_certificate_of_v0_2_with_another_key_than_the_registered_one_is_unknown() -> None:
    assert not STONE.holds_for(peer(None, key="cd"))
    assert replace(STONE, key_fingerprint="").holds_for(peer(None, key="cd"))
    assert not replace(STONE, created="broken").holds_for(peer(None))


def test_an_adopted_device_that_was_decommissioned_is_known_by_its_former_certificate() -> None:
    stone = replace(STONE, uid="u-9", former=FormerIdentity("u-1", "ab"))
    assert stone.holds_for(peer())
    assert not stone.holds_for(peer(key="cd"))


@pytest.mark.parametrize(
    ("word", "by"),
    [
        ("2026-05-01T11:00:00Z ann (flotta decommission)", "ann (flotta decommission)"),
        ("2026-05-01T13:00:00Z ann", "ann"),  # after the deletion, for a wipe that was held
        ("2026-05-01T10:59:59Z ann", "unknown"),  # for a deletion that failed
        ("2026-05-01T12:00:00Z", "unknown"),
        ("ann", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_word_of_an_administrator_counts_for_a_deletion_within_an_hour(
    word: str, by: str
) -> None:
    leaving = device(deleted="2026-05-01T12:00:00Z")
    leaving["metadata"]["annotations"] = {CONFIRMED_ANNOTATION: word}
    stone = Tombstone.of(leaving, "granted", DELETED)
    assert (stone.by, stone.confirmed) == (by, by != "unknown")
    assert stone.time == "2026-05-01T12:00:00Z"


def test_a_device_that_is_not_being_deleted_is_not_confirmed() -> None:
    staying = device()
    staying["metadata"]["annotations"] = {CONFIRMED_ANNOTATION: make_confirmation("ann", DELETED)}
    assert confirmed_by(staying) == ""


def test_a_configuration_is_released_when_it_keeps_what_runs() -> None:
    assert find_losses(["web", "db"], ["db", "new"]) == ["web"]
    assert judge_release(find_losses([], []))[0] == "True"
    status, reason, message = judge_release([f"w{number}" for number in range(5000)])
    assert (status, reason) == ("False", "ConfigurationWithheld")
    assert len(message) <= 4096
