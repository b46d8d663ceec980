"""The circuit breaker: a store that does not answer is asked once in a while only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from flotta.backoff import Backoff
from flotta.edge_api.backends.remote.problems import StoreError, StoreUnreachable

FAILURES = 5  # outages one after the other that open the circuit
RETRY = 1.0, 30.0  # first and longest seconds until a call tries whether the store is back
log = logging.getLogger(__name__)


class Circuit:
    """Counts outages. While it is open, one call at a time is let through, after a delay.

    `last` is what was wrong last, None once an answer could be used.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._backoff = Backoff(*RETRY)
        self._failures = 0
        self._errors = 0  # answers that could not be used, one after the other
        self._next_try = 0.0
        self._has_probe = False
        self.last: StoreError | None = None
        self.has_answered = False  # ever

    @property
    def is_open(self) -> bool:
        """Whether calls are refused without a try."""
        return self._failures >= FAILURES

    @property
    def is_erring(self) -> bool:
        """Whether the store answers, but nothing that can be used: repeating does not help."""
        return self._errors >= FAILURES

    def enter(self) -> bool:
        """Let a call through; return whether it is the one that tries an open circuit.

        Raises StoreUnreachable when no call is let through now. Whoever was let through calls
        `succeeded`, `failed` or `left`.
        """
        if not self.is_open:
            return False
        if self._has_probe or self._clock() < self._next_try:
            raise self._refusal()
        self._has_probe = True
        return True

    def _refusal(self) -> StoreError:
        if self.last is None:
            return StoreUnreachable("The data store is not asked for a moment")
        return type(self.last)(f"The data store is not asked for a moment, after: {self.last.text}")

    def left(self, *, is_probe: bool) -> None:
        """Note that a call ended without saying anything about the store (it was cancelled)."""
        self._has_probe = self._has_probe and not is_probe

    def succeeded(self) -> None:
        """Note an answer that can be used."""
        self._close()
        self._errors = 0
        self.last, self.has_answered = None, True

    def answered(self, error: StoreError) -> None:
        """Note an answer that cannot be used: the store is there all the same."""
        self._close()
        self._errors += 1
        self.note(error)

    def note(self, error: StoreError) -> None:
        """Note why nothing could be read, until something was."""
        if not self.has_answered:
            self.last = error

    def _close(self) -> None:
        if self.is_open:
            log.info("The data store answers again")
        self._failures, self._has_probe = 0, False
        self._backoff.reset()

    def failed(self, error: StoreError, *, is_probe: bool) -> None:
        """Note an outage."""
        was_open = self.is_open
        self._failures += 1
        self.last = error
        if is_probe or (self.is_open and not was_open):
            self._has_probe = False
            self._next_try = self._clock() + self._backoff.next()
        if self.is_open and not was_open:
            log.error("The data store cannot be used: %s", error)
