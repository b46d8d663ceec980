"""The rate limits of the Edge API: what counts for whom, and how much is remembered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest

from flotta.edge_api.rate_limits import REQUESTS_PER_ENROLMENT, KeyedBuckets, RateLimits
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer

NOW = datetime.now(UTC)


def peer(fingerprint: str, kind: Literal["registration", "device"] = "device") -> Peer:
    return Peer(
        kind=kind,
        device_id="d-17" if kind == "device" else "",
        namespace="default",
        namespaces=("default",),
        uid=f"uid of {fingerprint[0]}" if kind == "device" else None,
        fingerprint=fingerprint,
        public_key_fingerprint="",
        not_before=NOW,
        not_after=NOW,
    )


def admitted(limits: RateLimits, client: Peer, device_id: str = "d-17", times: int = 5000) -> int:
    """Return how many of so many requests at once are admitted."""
    count = 0
    for _ in range(times):
        try:
            limits.admit_request(client, device_id)
        except Refusal:
            return count
        count += 1
    return count


def test_a_certificate_that_was_revoked_takes_nothing_from_its_successor() -> None:
    limits = RateLimits(50)

    assert admitted(limits, peer("old")) >= 40
    assert admitted(limits, peer("new")) >= 40


def test_one_device_with_the_shared_certificate_leaves_the_others_room() -> None:
    limits = RateLimits(50)
    shared = peer("shared", "registration")

    assert 40 <= admitted(limits, shared, "broken") < 100
    assert all(admitted(limits, shared, f"d-{number}", 3) == 3 for number in range(500))


def test_a_shared_certificate_has_a_limit_whatever_ids_it_names() -> None:
    limits = RateLimits(1)
    shared = peer("shared", "registration")
    total = sum(admitted(limits, shared, f"d-{number}", 1) for number in range(1000))

    assert total < 10 * REQUESTS_PER_ENROLMENT + 40


def test_renewals_of_one_device_are_limited_whatever_certificate_it_uses() -> None:
    limits = RateLimits(50)
    for number in range(10):
        limits.admit_registration(peer(f"a{number}"))
    with pytest.raises(Refusal) as refused:
        limits.admit_registration(peer("another"))
    limits.admit_registration(peer("b"))

    assert refused.value.reason == "TooManyRequests"


def test_a_peer_with_many_certificates_does_not_grow_the_memory() -> None:
    buckets = KeyedBuckets(1, 1, remembered=100)
    for number in range(10_000):
        buckets.take(number)

    assert len(buckets) == 100
    assert not buckets.take(9_999)


def test_a_flood_of_enrolments_is_refused() -> None:
    limits = RateLimits(1)
    with pytest.raises(Refusal) as refused:
        [
            limits.admit_enrolment(peer(f"c{number}", "registration"))  # type: ignore[func-returns-value]
            for number in range(1000)
        ]
    assert (refused.value.status, refused.value.reason) == (429, "TooManyEnrolments")


def test_one_certificate_leaves_half_of_all_enrolments_to_the_others() -> None:
    limits = RateLimits(1)
    stolen, other = peer("stolen", "registration"), peer("other", "registration")
    for _ in range(5):
        limits.admit_enrolment(stolen)
    for _ in range(1000):
        with pytest.raises(Refusal):
            limits.admit_enrolment(stolen)

    for _ in range(5):
        limits.admit_enrolment(other)
