"""Logs a failure once when it begins and once when it is over, not at every attempt."""

from __future__ import annotations

import logging
import time

REPEAT_AFTER = 3600.0  # seconds until the same failure is logged again


class LogOnce:
    """Remembers the last log entry about each activity."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._logged: dict[str, tuple[str, float]] = {}

    def failed(self, activity: str, reason: str) -> None:
        """Warn about an activity; repeat the same reason only after REPEAT_AFTER."""
        logged, at = self._logged.get(activity, ("", 0.0))
        if logged == reason and time.monotonic() - at < REPEAT_AFTER:
            self._log.debug("%s: still failing: %s", activity, reason)
            return
        self._logged[activity] = (reason, time.monotonic())
        self._log.warning("%s: %s", activity, reason)

    def recovered(self, activity: str) -> None:
        """Log that an activity works again, if it had failed."""
        if self._logged.pop(activity, None) is not None:
            self._log.info("%s: works again", activity)
