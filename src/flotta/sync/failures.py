"""Paths that could not be transferred, and when each of them is tried again.

Numbers: docs/reference/device.md#errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from flotta.backoff import Backoff
from flotta.sync.model import Direction, SyncedPath

MAX_WAIT = 1800.0  # seconds between two attempts at one path
MAX_REMEMBERED = 10_000  # paths of all workloads


@dataclass
class _Failure:
    fingerprint: Hashable
    message: str
    due: float  # on the clock of `Failures`
    backoff: Backoff


class Failures:
    """Paths that failed: each is tried again after a while, or as soon as it changes.

    `first` is the longest wait in seconds after the first failure of a path.
    """

    def __init__(self, first: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._clock = clock
        self._failures: dict[SyncedPath, _Failure] = {}

    def is_due(self, path: SyncedPath, fingerprint: Hashable) -> bool:
        """Tell whether a path may be tried now."""
        failure = self._failures.get(path)
        if failure is None or failure.fingerprint != fingerprint:
            return True
        return self._clock() >= failure.due

    def record_failure(self, path: SyncedPath, fingerprint: Hashable, message: str) -> None:
        """Note one more failure of a path; beyond MAX_REMEMBERED, the next cycle tries it again."""
        failure = self._failures.get(path)
        if failure is None and len(self._failures) >= MAX_REMEMBERED:
            return
        known = failure is not None and failure.fingerprint == fingerprint
        backoff = failure.backoff if failure and known else Backoff(self._first, MAX_WAIT)
        due = self._clock() + backoff.next()
        self._failures[path] = _Failure(fingerprint, message, due, backoff)

    def record_success(self, path: SyncedPath) -> None:
        """Forget the failures of a path."""
        self._failures.pop(path, None)

    def retain_paths(self, workload: str, direction: Direction, paths: set[str]) -> None:
        """Forget failures of all other paths: they no longer need a transfer."""
        for known in [*self._failures]:
            same = known.workload == workload and known.direction == direction
            if same and known.path not in paths:
                del self._failures[known]

    def messages(self, workload: str) -> list[str]:
        """Return `path: reason` for every failed path of a workload."""
        return [
            f"{known.path}: {failure.message}"
            for known, failure in self._failures.items()
            if known.workload == workload
        ]

    def clear(self, workload: str | None = None) -> None:
        """Forget the failures of one workload, or all."""
        for known in [*self._failures]:
            if workload in (None, known.workload):
                del self._failures[known]
