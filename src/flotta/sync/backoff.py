"""When to try again: the whole storage after network errors, one path after errors of its own."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Backoff:
    """Seconds until the next attempt: quick at first, doubling with jitter up to `limit`."""

    def __init__(self, first: float = 2.0, limit: float = 300.0) -> None:
        self._first = first
        self._limit = limit
        self._failures = 0

    def succeeded(self) -> None:
        """Begin anew with a quick retry."""
        self._failures = 0

    def failed(self) -> float:
        """Return the seconds to wait after one more failure."""
        delay = min(self._limit, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return delay * random.uniform(0.8, 1.0)  # noqa: S311


@dataclass
class _Failure:
    fingerprint: Hashable
    message: str
    due: float
    backoff: Backoff


class Failures:
    """Paths that failed: each is left alone for a while, unless it changed meanwhile."""

    def __init__(self, first: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._clock = clock
        self._failures: dict[tuple[str, str, str], _Failure] = {}

    def is_due(self, name: tuple[str, str, str], fingerprint: Hashable) -> bool:
        """Say whether a path (workload, direction, path) may be tried now."""
        failure = self._failures.get(name)
        if failure is None or failure.fingerprint != fingerprint:
            return True
        return self._clock() >= failure.due

    def failed(self, name: tuple[str, str, str], fingerprint: Hashable, message: str) -> None:
        """Note one more failure of a path."""
        failure = self._failures.get(name)
        known = failure is not None and failure.fingerprint == fingerprint
        backoff = failure.backoff if failure and known else Backoff(self._first, 1800.0)
        due = self._clock() + backoff.failed()
        self._failures[name] = _Failure(fingerprint, message, due, backoff)

    def succeeded(self, name: tuple[str, str, str]) -> None:
        """Forget the failures of a path."""
        self._failures.pop(name, None)

    def keep(self, workload: str, direction: str, paths: set[str]) -> None:
        """Forget failures of paths that need no transfer any more."""
        for name in [*self._failures]:
            if name[:2] == (workload, direction) and name[2] not in paths:
                del self._failures[name]

    def messages(self, workload: str) -> list[str]:
        """Return `path: reason` for every failed path of a workload."""
        return [f"{n[2]}: {f.message}" for n, f in self._failures.items() if n[0] == workload]

    def forget(self, workload: str | None = None) -> None:
        """Forget the failures of one workload, or all."""
        for name in [n for n in self._failures if workload in (None, n[0])]:
            del self._failures[name]
