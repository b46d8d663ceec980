"""Log lines and counts of what clients cause: a scanner must not fill the log."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable

from flotta.limited_log import LimitedLog
from flotta.serving.limits import Cap

LINES, INTERVAL = 20, 20.0  # failed handshakes that are logged in so many seconds
CAP_INTERVAL = 60.0  # seconds between two lines about the same cap
log = logging.getLogger(__name__)


class FailureLog:
    """Logs failed handshakes, a limited number of them."""

    def __init__(self) -> None:
        self._log = LimitedLog(log, LINES, INTERVAL)

    def log_failure(self, peer: str, error: Exception) -> None:
        """Log why a handshake failed; a connection that broke only at debug level."""
        if isinstance(error, ConnectionError) and not isinstance(error, ssl.SSLError):
            log.debug("%s closed the connection during the TLS handshake: %s", peer, error)
            return
        text = "TLS handshake with %s failed: %s"
        self._log.log(logging.WARNING, text, peer, _explain_failure(error))


class CapLog:
    """Counts each connection that a cap costs, and logs one line a minute for each cap."""

    def __init__(self, count: Callable[[Cap], None] = lambda _: None) -> None:
        self._count = count
        self._logged: dict[Cap, float] = {}  # the time of the last line
        self._unlogged: dict[Cap, int] = {}  # connections since then

    def report(self, cap: Cap, sentence: str) -> None:
        """Count a connection; log the sentence, which says what happened and what to do."""
        self._count(cap)
        number = self._unlogged.get(cap, 0) + 1
        now = time.monotonic()
        if cap in self._logged and now - self._logged[cap] < CAP_INTERVAL:
            self._unlogged[cap] = number
            return
        self._logged[cap], self._unlogged[cap] = now, 0
        more = f" ({number} times since the last such line)" if number > 1 else ""
        log.warning("%s%s", sentence, more)


def _explain_failure(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(error) or type(error).__name__
