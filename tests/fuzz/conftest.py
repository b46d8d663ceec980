"""The time and the seed of a run of the fuzz.

FLOTTA_FUZZ_SECONDS (60) is how long all of it runs, FLOTTA_FUZZ_SEED repeats a run: each round of a
test has a seed of its own, and a failure says which.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

SECONDS = float(os.environ.get("FLOTTA_FUZZ_SECONDS") or 60)
SEED = int(os.environ.get("FLOTTA_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
ROUND = 20  # examples; the time is looked at between two rounds
Fuzz = Callable[..., None]


def pytest_report_header() -> str:
    return f"fuzz: {SECONDS:.0f} s in all; to repeat it: FLOTTA_FUZZ_SEED={SEED}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(pytest_report_header())  # with -q there is no header


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Return a function that checks examples of a strategy until the time of this test is over."""
    items = [item for item in request.session.items if "fuzz" in getattr(item, "fixturenames", ())]
    end = time.monotonic() + SECONDS / len(items)

    def run(check: Callable[..., None], *strategies: SearchStrategy[Any]) -> None:
        number = SEED
        while True:
            _run_round(check, strategies, number)
            number += 1
            if time.monotonic() >= end:
                return

    return run


def _run_round(
    check: Callable[..., None], strategies: tuple[SearchStrategy[Any], ...], number: int
) -> None:
    # The name keeps rounds of different tests apart; the check gets one example per strategy.
    def example(*values: Any) -> None:
        check(*values)

    configured = settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(configured(given(*strategies)(_with_arity(example, len(strategies)))))()
    except Exception as error:
        error.add_note(f"The first round of FLOTTA_FUZZ_SEED={number} repeats this.")
        raise


def _with_arity(example: Callable[..., None], count: int) -> Callable[..., None]:
    """Return the function with as many named parameters as Hypothesis has to fill."""
    if count == 1:
        return lambda first: example(first)
    return lambda first, second: example(first, second)
