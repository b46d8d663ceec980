# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/deadline.py: change that.
"""Waiting for a condition at the cluster, with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_INTERVAL = 1.0  # seconds between two requests to the cluster


class Deadline:
    """A point in time, given as seconds from now, until which a user waits."""

    def __init__(self, seconds: float) -> None:
        self._end = asyncio.get_running_loop().time() + seconds

    @property
    def over(self) -> bool:
        """Whether the time has passed."""
        return asyncio.get_running_loop().time() >= self._end

    async def wait_until(
        self, condition: Callable[[], Awaitable[T]], interval: float = POLL_INTERVAL
    ) -> T:
        """Poll until the condition is true or the time is over; return its last result.

        The condition is evaluated at least once, and every `interval` seconds.
        """
        while True:
            found = await condition()
            if found or self.over:
                return found
            await asyncio.sleep(interval)
