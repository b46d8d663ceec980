"""Modest protection against a client that floods: token buckets in memory."""

from __future__ import annotations

import time
from collections import OrderedDict

from .refusals import Refusal

DEVICE_RATE = 10.0  # messages a second of one device
DEVICE_BURST = 40.0
REMEMBERED = 10000  # devices; the one heard longest ago is forgotten first
ENROLMENT_BURST_SECONDS = 10.0


class TokenBucket:
    """Allows `rate` a second, and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, time.monotonic()

    def take(self) -> bool:
        """Take a token if there is one."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Rates:
    """The limits of one server."""

    def __init__(self, enrolments_per_second: float) -> None:
        burst = enrolments_per_second * ENROLMENT_BURST_SECONDS
        self._enrolments = TokenBucket(enrolments_per_second, burst)
        self._devices: OrderedDict[str, TokenBucket] = OrderedDict()

    def require(self, device_id: str) -> None:
        """Refuse (429) the message of a device that sends too many."""
        bucket = self._devices.pop(device_id, None) or TokenBucket(DEVICE_RATE, DEVICE_BURST)
        self._devices[device_id] = bucket
        if len(self._devices) > REMEMBERED:
            self._devices.popitem(last=False)
        if not bucket.take():
            raise Refusal(429, "the device sends too many messages", retry_after=1)

    def require_enrolment(self) -> None:
        """Refuse (429) an enrolment while too many devices enrol at once."""
        if not self._enrolments.take():
            raise Refusal(429, "too many devices enrol at once", retry_after=5)
