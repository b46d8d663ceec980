"""Rate limits of devices and of enrolments: token buckets in memory, for each replica.

The numbers are in docs/reference/wire-protocol.md#limits.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.reasons.refusals import TOO_MANY_ENROLMENTS, TOO_MANY_REQUESTS
from flotta.token_bucket import TokenBucket

DEVICE_RATE = 10.0  # requests a second of one device
DEVICE_BURST = 40.0  # requests at once
# A report costs far more than its bytes: it is compared, cleaned, stored, and told to every watch.
# A device that reports all the hardware of a large server each minute sends 3 KiB a second.
BODY_RATE = 64 * 1024.0  # bytes a second of the bodies of one device
BODY_BURST = 4 * 1024 * 1024.0  # bytes at once
# A device gets a new certificate, and so a new bucket, with each registration.
RENEWAL_RATE = 1 / 60  # registrations a second with a device certificate
RENEWAL_BURST = 10.0  # registrations at once
REMEMBERED = 10_000  # buckets; the one that was used longest ago is forgotten first
ENROLMENT_BURST_SECONDS = 10.0  # seconds' worth of enrolments that may come at once
# Requests with one registration certificate, which a whole batch of devices shares, for each
# enrolment that is allowed: an enrolment or two, a registration, and some that are refused.
REQUESTS_PER_ENROLMENT = 4
# Of all enrolments, those of one registration certificate: who has a stolen one leaves the others
# as many.
SHARE_OF_CERTIFICATE = 0.5


class KeyedBuckets:
    """A token bucket for each key, for the keys that were used last.

    A forgotten bucket is full when its key comes back. That gives nothing away: within the time in
    which a bucket fills, not so many other keys come by.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        remembered: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._remembered = remembered
        self._clock = clock
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many buckets are remembered."""
        return len(self._buckets)

    def take(self, key: Hashable, tokens: float = 1) -> bool:
        """Take tokens from the bucket of a key; return whether there were so many."""
        bucket = self._buckets.pop(key, None) or TokenBucket(self._rate, self._burst, self._clock)
        self._buckets[key] = bucket
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return bucket.take(tokens)


class RateLimits:
    """The limits of one server."""

    def __init__(self, enrolments_per_second: float) -> None:
        burst = enrolments_per_second * ENROLMENT_BURST_SECONDS
        self._enrolments = TokenBucket(enrolments_per_second, burst)
        self._enrolments_of = KeyedBuckets(
            enrolments_per_second * SHARE_OF_CERTIFICATE, max(1.0, burst * SHARE_OF_CERTIFICATE)
        )
        self._devices = KeyedBuckets(DEVICE_RATE, DEVICE_BURST)
        self._joining = KeyedBuckets(DEVICE_RATE, DEVICE_BURST)
        self._bodies = KeyedBuckets(BODY_RATE, BODY_BURST)
        self._renewals = KeyedBuckets(RENEWAL_RATE, RENEWAL_BURST)
        self._shared = KeyedBuckets(
            enrolments_per_second * REQUESTS_PER_ENROLMENT, burst * REQUESTS_PER_ENROLMENT
        )

    def admit_request(self, peer: Peer, device_id: str) -> None:
        """Refuse (429) a request of a certificate that sends too many.

        The certificate counts and not the device id: one that was revoked names the same device.
        Devices share a registration certificate; there the `device_id` of the path counts as well.
        """
        if peer.kind == "device":
            admitted = self._devices.take(peer.fingerprint)
        else:
            joining = (peer.fingerprint, device_id)
            admitted = self._joining.take(joining) and self._shared.take(peer.fingerprint)
        if not admitted:
            raise _too_many("the device sends too many requests", 1)

    def admit_body(self, peer: Peer, device_id: str, size: int) -> None:
        """Refuse (429) a body of so many bytes when its device sends too much."""
        if size and not self._bodies.take((peer.fingerprint, device_id), size):
            raise _too_many("the device sends too much", math.ceil(size / BODY_RATE))

    def admit_registration(self, peer: Peer) -> None:
        """Refuse (429) a registration with a device certificate when there were many just now."""
        if peer.kind == "device" and not self._renewals.take(peer.uid or peer.fingerprint):
            raise _too_many("the device renews its certificate too often", 60)

    def admit_enrolment(self, peer: Peer) -> None:
        """Refuse (429) an enrolment while too many devices enrol at once, or with a certificate."""
        if not self._enrolments_of.take(peer.fingerprint) or not self._enrolments.take():
            raise Refusal(
                429, "too many devices enrol at once", reason=TOO_MANY_ENROLMENTS, retry_after=5
            )


def _too_many(sentence: str, seconds: int) -> Refusal:
    return Refusal(429, sentence, reason=TOO_MANY_REQUESTS, retry_after=seconds)
