"""A log that a flood of the same kind of line cannot fill."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

LINES_PER_SECOND = 20  # logged; the others are counted


class LimitedLog:
    """Logs a limited number of lines each second, and then how many it left out.

    That number is part of the first line after a second in which lines were left out.
    """

    def __init__(
        self,
        log: logging.Logger,
        per_second: int = LINES_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._per_second = per_second
        self._clock = clock
        self._second = -1
        self._logged = 0
        self._skipped = 0

    def log(self, level: int, text: str, *args: object, exc_info: bool = False) -> None:
        """Log a line as `logging.Logger.log` does, unless there were too many in this second."""
        if not self._log.isEnabledFor(level):
            return
        if self._has_room():
            self._log.log(level, text, *args, exc_info=exc_info)

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            if self._skipped:
                self._log.warning("%d more such lines were left out", self._skipped)
            self._second, self._logged, self._skipped = second, 0, 0
        self._logged += 1
        self._skipped += self._logged > self._per_second
        return self._logged <= self._per_second
