"""Problems of rendering, as people see them: in `status.workloads` and condition Configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flotta.fleet.heartbeat import MISCONFIGURATION, with_phase
from flotta.fleet.rendering import Problem
from flotta.protocol.phases import DEPLOYING, ERROR
from flotta.resources.conditions import CONFIGURED, ConditionState, find_condition, with_condition

Object = dict[str, Any]


def describe_problem(problem: Problem) -> str:
    """Return the problem as it stands in conditions and Events."""
    return f"{problem.workload}: {problem.message}" if problem.workload else problem.message


def with_problems(
    status: Mapping[str, Any],
    problems: Iterable[Problem],
    now: datetime,
    generation: int | None = None,
) -> Object:
    """Return the status with these problems shown and solved ones cleared.

    Equal when nothing changed.

    `generation` is that of the EdgeDevice whose configuration has the problems.
    """
    found = sorted(problems, key=describe_problem)
    new = dict(status)
    messages = {problem.workload: problem.message for problem in found if problem.workload}
    if status.get("workloads"):
        new["workloads"] = [
            _show_problem(workload, messages, now) for workload in status["workloads"]
        ]
    if found or find_condition(status.get("conditions"), CONFIGURED):
        new["conditions"] = _with_configured(status, found, now, generation)
    return new


def find_new_problems(status: Mapping[str, Any], problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that the status did not show yet."""
    shown = (
        (find_condition(status.get("conditions"), CONFIGURED) or {}).get("message", "").splitlines()
    )
    return [problem for problem in problems if describe_problem(problem) not in shown]


def _with_configured(
    status: Mapping[str, Any], problems: list[Problem], now: datetime, generation: int | None
) -> list[Object]:
    message = "\n".join(map(describe_problem, problems))
    state: ConditionState = (
        ("False", MISCONFIGURATION, message)
        if problems
        else ("True", "Complete", "Nothing is missing.")
    )
    return with_condition(status.get("conditions"), CONFIGURED, *state, now, generation)


def _show_problem(workload: Object, messages: Mapping[str, str], now: datetime) -> Object:
    message = messages.get(workload["name"])
    if message is not None:
        shown = {**workload, "reason": MISCONFIGURATION, "message": message}
        return with_phase(shown, ERROR, now)
    if workload.get("reason") != MISCONFIGURATION:
        return workload
    kept = {key: value for key, value in workload.items() if key not in ("reason", "message")}
    return with_phase(kept, DEPLOYING, now)
