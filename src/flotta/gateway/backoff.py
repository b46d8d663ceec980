"""Waiting times after failures: exponential with full jitter, so that a fleet does not march in step."""

from __future__ import annotations

import random


class Backoff:
    """Successive waiting times in seconds from `first` up to `most`."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    def next(self) -> float:
        """Return the next waiting time: anything between the first one and a doubling limit."""
        self._failures = min(self._failures + 1, 30)
        limit = min(self._most, self._first * 2**self._failures)
        return random.uniform(self._first, limit)  # noqa: S311

    def reset(self) -> None:
        """Begin again after a success."""
        self._failures = 0
