"""Problems of rendering, as people see them: in `status.workloads` and condition Configured.

See docs/reference/control-plane.md#broken-references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from flotta.fleet.heartbeat import with_phase, without_reason
from flotta.fleet.rendering import Problem
from flotta.printable_text import cut, printable
from flotta.protocol.phases import DEPLOYING, ERROR
from flotta.protocol.reasons.conditions import COMPLETE
from flotta.protocol.reasons.workloads import MISCONFIGURATION
from flotta.resources.conditions import CONFIGURED, ConditionState, find_condition, with_condition
from flotta.resources.objects.devices import EdgeDeviceStatus, WorkloadStatus
from flotta.resources.objects.meta import Condition

MESSAGE_LIMIT = 32768  # characters of a condition's message (metav1.Condition)


def describe_problem(problem: Problem) -> str:
    """Return the problem as conditions and Events show it, on one line."""
    message = _shown_message(problem)
    return f"{problem.workload}: {message}" if problem.workload else message


def _shown_message(problem: Problem) -> str:
    return printable(problem.message)


def with_problems(
    status: EdgeDeviceStatus,
    problems: Iterable[Problem],
    now: datetime,
    generation: int | None = None,
) -> EdgeDeviceStatus:
    """Return the status that shows these problems and no solved ones.

    It equals the old one when nothing changed.
    `generation` is that of the EdgeDevice whose configuration has the problems.
    """
    found = sorted(problems, key=describe_problem)
    new = status.copy()
    messages = {problem.workload: _shown_message(problem) for problem in found if problem.workload}
    if status.get("workloads"):
        new["workloads"] = [
            _show_problem(workload, messages, now) for workload in status["workloads"]
        ]
    # A device that never had a problem does not need a condition that says so.
    if found or find_condition(status.get("conditions"), CONFIGURED):
        new["conditions"] = _with_configured(status, found, now, generation)
    return new


def find_new_problems(status: EdgeDeviceStatus, problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that the status does not show yet."""
    configured = find_condition(status.get("conditions"), CONFIGURED)
    message = configured.get("message", "") if configured else ""
    if len(message) >= MESSAGE_LIMIT:
        return []  # those that were cut off would be new each time
    shown = message.splitlines()
    return [problem for problem in problems if describe_problem(problem) not in shown]


def _with_configured(
    status: EdgeDeviceStatus, problems: list[Problem], now: datetime, generation: int | None
) -> list[Condition]:
    message = cut("\n".join(map(describe_problem, problems)), MESSAGE_LIMIT)
    state: ConditionState = (
        ("False", MISCONFIGURATION, message)
        if problems
        else ("True", COMPLETE, "Nothing is missing.")
    )
    return with_condition(status.get("conditions"), CONFIGURED, *state, now, generation)


def _show_problem(
    workload: WorkloadStatus, messages: Mapping[str, str], now: datetime
) -> WorkloadStatus:
    message = messages.get(workload["name"])
    if message is not None:
        shown: WorkloadStatus = {**workload, "reason": MISCONFIGURATION, "message": message}
        return with_phase(shown, ERROR, now)
    if workload.get("reason") != MISCONFIGURATION:
        return workload
    return with_phase(without_reason(workload), DEPLOYING, now)
