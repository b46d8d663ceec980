"""Addresses that begin TLS handshakes and do not finish them.

A token bucket for each address: a handshake that fails or stalls takes a token, a finished one
takes none, nor does one that gave way before its time. So thousands of devices behind one address
keep theirs, however many come at once, and a flood runs out of them soon. From then on its address
gets only the first half of the pending handshakes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flotta.serving.pending import network_of
from flotta.token_bucket import TokenBucket

BURST = 64  # handshakes that an address may leave unfinished at once
RATE = 4.0  # handshakes a second after that; devices with a bad link, probes of a balancer
MOST_ADDRESSES = 4096  # that are remembered, those of the last unfinished handshakes


class UnfinishedHandshakes:
    """The handshakes of each address that were begun, and failed or stalled."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def note(self, host: str) -> None:
        """Note that a handshake of an address failed or stalled."""
        network = network_of(host)
        bucket = self._buckets.pop(network, None) or TokenBucket(RATE, BURST, self._clock)
        bucket.take()
        self._buckets[network] = bucket
        if len(self._buckets) > MOST_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]

    def are_too_many(self, host: str) -> bool:
        """Tell whether an address left so many unfinished that it may begin no more for now."""
        bucket = self._buckets.get(network_of(host))
        return bucket is not None and bucket.wait_time() > 0
