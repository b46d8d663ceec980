"""Standard Kubernetes conditions (metav1.Condition) in a list, changed only when something changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from flotta.resources.events import timestamp

Condition = dict[str, Any]
Truth = Literal["True", "False", "Unknown"]
Verdict = tuple[Truth, str, str]  # status, reason, message


def find(conditions: Iterable[Condition] | None, type_: str) -> Condition | None:
    """Return the condition of a type, None when there is none."""
    return next((one for one in conditions or () if one.get("type") == type_), None)


def truth(conditions: Iterable[Condition] | None, type_: str) -> str | None:
    """Return the status of the condition of a type, None when there is none."""
    found = find(conditions, type_)
    return found["status"] if found else None


def with_condition(
    conditions: Iterable[Condition] | None,
    type_: str,
    status: Truth,
    reason: str,
    message: str,
    now: datetime,
    generation: int | None = None,
) -> list[Condition]:
    """Return the list with one condition set; its lastTransitionTime moves only with its status.

    `generation` is the one of the object that was judged; None keeps what the condition says.
    """
    items = list(conditions or ())
    old = find(items, type_)
    moved = old is None or old.get("status") != status
    since = timestamp(now) if moved or old is None else old.get("lastTransitionTime")
    new = {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or timestamp(now),
    }
    observed = (old or {}).get("observedGeneration") if generation is None else generation
    if observed is not None:
        new["observedGeneration"] = observed
    if old is None:
        return [*items, new]
    return [new if one is old else one for one in items]
