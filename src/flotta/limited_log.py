"""A log that a flood of the same kind of line cannot fill."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

LINES_PER_SECOND = 20  # logged; the others are counted


class LimitedLog:
    """Logs a limited number of lines in an interval, and afterwards how many it left out.

    That number has a line of its own, before the first one of a later interval.
    """

    def __init__(
        self,
        log: logging.Logger,
        lines: int = LINES_PER_SECOND,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._lines = lines
        self._interval = interval  # seconds
        self._clock = clock
        self._current = -1  # number of the interval
        self._logged = 0
        self._skipped = 0

    def log(self, level: int, text: str, *args: object, exc_info: bool = False) -> None:
        """Log a line as `logging.Logger.log` does, unless there were too many in this interval."""
        if not self._log.isEnabledFor(level):
            return
        if self._has_room():
            self._log.log(level, text, *args, exc_info=exc_info)

    def _has_room(self) -> bool:
        current = int(self._clock() / self._interval)
        if current != self._current:
            if self._skipped:
                self._log.warning("%d more such lines were left out", self._skipped)
            self._current, self._logged, self._skipped = current, 0, 0
        self._logged += 1
        self._skipped += self._logged > self._lines
        return self._logged <= self._lines
