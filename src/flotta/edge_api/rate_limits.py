"""Rate limits of devices and of enrolments: token buckets in memory, for each replica.

The numbers are in docs/reference/wire-protocol.md#limits.
"""

from __future__ import annotations

from collections import OrderedDict

from flotta.edge_api.refusals import Refusal
from flotta.token_bucket import TokenBucket

DEVICE_RATE = 10.0  # messages a second of one device
DEVICE_BURST = 40.0  # messages at once
REMEMBERED = 10000  # devices; the device whose last message is oldest is forgotten first
ENROLMENT_BURST_SECONDS = 10.0  # seconds' worth of enrolments that may come at once


class RateLimits:
    """The limits of one server."""

    def __init__(self, enrolments_per_second: float) -> None:
        burst = enrolments_per_second * ENROLMENT_BURST_SECONDS
        self._enrolments = TokenBucket(enrolments_per_second, burst)
        self._devices: OrderedDict[str, TokenBucket] = OrderedDict()

    def admit_message(self, device_id: str) -> None:
        """Refuse (429) a message when its device sends too many."""
        bucket = self._devices.pop(device_id, None) or TokenBucket(DEVICE_RATE, DEVICE_BURST)
        self._devices[device_id] = bucket
        if len(self._devices) > REMEMBERED:
            self._devices.popitem(last=False)
        if not bucket.take():
            raise Refusal(429, "the device sends too many messages", retry_after=1)

    def admit_enrolment(self) -> None:
        """Refuse (429) an enrolment while too many devices enrol at once."""
        if not self._enrolments.take():
            raise Refusal(429, "too many devices enrol at once", retry_after=5)
