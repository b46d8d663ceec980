"""Log each trouble once when it begins and once when it is over, not at every attempt."""

from __future__ import annotations

import logging
import time

REPEAT_AFTER = 3600.0  # seconds


class Journal:
    """Remembers what was last said about each activity."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, tuple[str, float]] = {}

    def trouble(self, activity: str, sentence: str) -> None:
        """Warn about an activity; the same sentence again only after an hour."""
        said, at = self._said.get(activity, ("", 0.0))
        if said == sentence and time.monotonic() - at < REPEAT_AFTER:
            self._log.debug("%s: still: %s", activity, sentence)
            return
        self._said[activity] = (sentence, time.monotonic())
        self._log.warning("%s: %s", activity, sentence)

    def fine(self, activity: str) -> None:
        """Say that an activity works again, if there was trouble with it."""
        if self._said.pop(activity, None) is not None:
            self._log.info("%s: works again", activity)
