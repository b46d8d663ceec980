"""Waiting longer after each failure, never in step with other devices."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Delays ``first``, 2·first, … up to ``cap`` seconds, each varied by ±``jitter``."""

    first: float = 1.0
    cap: float = 60.0
    jitter: float = 0.2
    random: random.Random = field(default_factory=random.SystemRandom)
    _failures: int = 0

    def next(self, at_least: float | None = None) -> float:
        """Return the next delay in seconds; ``at_least`` is a server's Retry-After, kept within an hour."""
        plain = min(self.cap, self.first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        delay = plain * (1 + self.random.uniform(-self.jitter, self.jitter))
        return max(delay, min(at_least or 0.0, 3600.0))

    def reset(self) -> None:
        """Start over after a success."""
        self._failures = 0


@dataclass
class Budget:
    """Lets ``burst`` things happen at once and afterwards one every ``interval`` seconds."""

    burst: float
    interval: float
    clock: Callable[[], float] = time.monotonic
    _left: float | None = None
    _at: float = 0.0

    def spend(self) -> float:
        """Use up one; return the seconds to wait before the next."""
        now = self.clock()
        left = self.burst if self._left is None else self._left + (now - self._at) / self.interval
        self._left, self._at = min(self.burst, left) - 1, now
        return 0.0 if self._left >= 1 else (1 - self._left) * self.interval
