"""Problems of rendering, as people see them: on `status.workloads` entries and in condition Configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flotta.protocol.phases import DEPLOYING, ERROR
from flotta.resources.conditions import CONFIGURED, Truth, find, with_condition

from .heartbeat import MISCONFIGURATION, moved
from .rendering import Problem

Object = dict[str, Any]


def sentence(problem: Problem) -> str:
    """Return the problem as it stands in conditions and Events."""
    return f"{problem.workload}: {problem.message}" if problem.workload else problem.message


def with_problems(
    status: Mapping[str, Any],
    problems: Iterable[Problem],
    now: datetime,
    generation: int | None = None,
) -> Object:
    """Return the status with these problems shown and solved ones cleared; equal when nothing changed.

    `generation` is that of the EdgeDevice whose configuration has the problems.
    """
    found = sorted(problems, key=sentence)
    new = dict(status)
    messages = {one.workload: one.message for one in found if one.workload}
    if status.get("workloads"):
        new["workloads"] = [_entry(entry, messages, now) for entry in status["workloads"]]
    if found or find(status.get("conditions"), CONFIGURED):
        new["conditions"] = _conditions(status, found, now, generation)
    return new


def unannounced(status: Mapping[str, Any], problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that the status did not show yet."""
    shown = (find(status.get("conditions"), CONFIGURED) or {}).get("message", "").splitlines()
    return [one for one in problems if sentence(one) not in shown]


def _conditions(
    status: Mapping[str, Any], problems: list[Problem], now: datetime, generation: int | None
) -> list[Object]:
    message = "\n".join(sentence(one) for one in problems)
    verdict: tuple[Truth, str, str] = (
        ("False", MISCONFIGURATION, message)
        if problems
        else ("True", "Complete", "Nothing is missing.")
    )
    return with_condition(status.get("conditions"), CONFIGURED, *verdict, now, generation)


def _entry(entry: Object, messages: Mapping[str, str], now: datetime) -> Object:
    message = messages.get(entry["name"])
    if message is not None:
        shown = {**entry, "reason": MISCONFIGURATION, "message": message}
        return moved(shown, ERROR, now)
    if entry.get("reason") != MISCONFIGURATION:
        return entry
    kept = {key: value for key, value in entry.items() if key not in ("reason", "message")}
    return moved(kept, DEPLOYING, now)
