"""One run: all rules against one store, in order."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from flotta.configuration_api.conformance.catalogue import RULES
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import Rule
from flotta.configuration_api.conformance.trial import Trial


class Verdict(enum.Enum):
    """How a rule ended."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Result:
    """The verdict on a rule, and why if it is not a pass."""

    number: int
    rule: Rule
    verdict: Verdict
    sentence: str = ""


async def run_rules(trial: Trial, rules: Sequence[Rule] = RULES) -> AsyncIterator[Result]:
    """Yield the result of each rule; at the end the hook may forget the devices of the run.

    Rules about all responses judge those that the rules before them got.
    """
    try:
        for number, rule in enumerate(rules, 1):
            yield await _run_rule(number, rule, trial)
    finally:
        for device in trial.devices:
            if not device.may_be_on_record:
                continue
            await trial.hook.forget(device.namespace, device.device_id)


async def _run_rule(number: int, rule: Rule, trial: Trial) -> Result:
    try:
        await rule.check(trial)
    except Failed as error:
        return Result(number, rule, Verdict.FAIL, str(error))
    except Skipped as error:
        return Result(number, rule, Verdict.SKIP, str(error))
    return Result(number, rule, Verdict.PASS)
