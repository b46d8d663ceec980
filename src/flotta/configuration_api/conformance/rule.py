"""A rule of the API and how it is checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from flotta.configuration_api.conformance.trial import Trial

Check = Callable[[Trial], Awaitable[None]]


@dataclass(frozen=True)
class Rule:
    """What a store has to do; `check` raises Failed or Skipped."""

    name: str  # never changes
    sentence: str
    check: Check


def rule(name: str, sentence: str) -> Callable[[Check], Rule]:
    """Return a decorator that makes a rule of its check."""
    return lambda check: Rule(name, sentence, check)
