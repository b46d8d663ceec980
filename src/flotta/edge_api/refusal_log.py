"""Log lines of refusals: one client that is refused for good must not fill the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from flotta.edge_api.rate_limits import KeyedBuckets
from flotta.limited_log import LimitedLog

BURST = 5.0  # lines at once about one client and reason
INTERVAL = 60.0  # seconds until the next line about them; and between lines about all repeats


class RefusalLog:
    """Logs the first refusals of a client for each reason, and of the repeats one a minute."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = LimitedLog(log, clock=clock)
        self._repeats = LimitedLog(log, 1, INTERVAL, clock)
        self._buckets = KeyedBuckets(1 / INTERVAL, BURST, clock=clock)

    def log(self, level: int, client: str, reason: str, text: str, *args: object) -> None:
        """Log a line about a refusal. `client` is a certificate or, without one, an address."""
        is_first = self._buckets.take((client, reason))
        (self._first if is_first else self._repeats).log(level, text, *args)
