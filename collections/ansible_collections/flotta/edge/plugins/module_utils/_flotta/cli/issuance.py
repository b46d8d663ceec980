# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/issuance.py: change that.
"""Waits until the Edge API has filled a Secret that asks it for a certificate."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

CODE = re.compile(r"([A-Z][A-Za-z]+): ")  # the reason code before the sentence of a problem


class NotIssuedError(ValueError):
    """Something is wrong with a request; `reason` is the code for what, None if there is none."""

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(f"{request} is not issued: {problem}")
        found = CODE.match(problem)
        self.reason = found[1] if found else None


class Issuable(Protocol):
    """What a Secret asks for, as it was read."""

    @property
    def is_issued(self) -> bool:
        """Whether the certificate is there, for what is asked for now."""

    @property
    def problem(self) -> str:
        """Why it is not issued, "" as long as nothing is wrong."""


IssuableT = TypeVar("IssuableT", bound=Issuable)


async def wait_issued(
    look: Callable[[], Awaitable[IssuableT]],
    request: str,
    certificate: str,
    *,
    namespace: str,
    patience: float,
    interval: float,
) -> IssuableT:
    """Return what `look` finds once it is issued; both times are seconds.

    `request` and `certificate` name in sentences what is asked for and what is to be issued.
    Raises NotIssuedError with what is wrong with the request, TimeoutError with what to look at,
    and what `look` raises.
    """
    end = time.monotonic() + patience
    while True:
        found = await look()
        if found.is_issued:
            return found
        if found.problem:
            raise NotIssuedError(request, found.problem)
        if time.monotonic() >= end:
            raise TimeoutError(
                f"the Edge API did not issue {certificate} within {patience:g} s. Its log says "
                "why: journalctl -u flotta-edge-api on its host, or kubectl -n "
                f"{namespace} logs deploy/flotta-edge-api"
            )
        await asyncio.sleep(interval)
