# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/backoff.py: change that.
"""The delay before a failed call is retried: one rule for all programs."""

from __future__ import annotations

import random

JITTER = 0.5  # the random part of a delay: devices that failed together return spread out
MAX_RETRY_AFTER = 3600.0  # seconds; a server cannot make a client wait longer
MAX_DOUBLINGS = 30  # keeps the power of two finite


class Backoff:
    """Exponential back-off: delays of `first`, 2·`first`, 4·`first`, … up to `cap` seconds.

    Each delay is shortened at random by up to `jitter` (0 to 1) of it. `failures` counts the
    delays since the last success.
    """

    def __init__(self, first: float, cap: float, jitter: float = JITTER) -> None:
        self._first = first
        self._cap = cap
        self._jitter = jitter
        self.failures = 0

    def next(self, at_least: float | None = None) -> float:
        """Count a failure and return the delay in seconds before the next attempt.

        `at_least` is the server's Retry-After in seconds (RFC 9110, 10.2.3), obeyed up to an hour.
        """
        limit = min(self._cap, self._first * 2.0 ** min(self.failures, MAX_DOUBLINGS))
        self.failures += 1
        delay = limit * random.uniform(1 - self._jitter, 1)  # noqa: S311 - spreads load
        return max(delay, min(at_least or 0.0, MAX_RETRY_AFTER))

    def reset(self) -> None:
        """Start over after a success."""
        self.failures = 0
