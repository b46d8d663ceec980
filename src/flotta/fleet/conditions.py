"""Standard Kubernetes conditions (metav1.Condition) in a list, changed only when something changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

Condition = dict[str, Any]
Truth = Literal["True", "False", "Unknown"]


def timestamp(moment: datetime) -> str:
    """Format as metav1.Time: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find(conditions: Iterable[Condition] | None, type_: str) -> Condition | None:
    """Return the condition of a type, None when there is none."""
    return next((one for one in conditions or () if one.get("type") == type_), None)


def with_condition(
    conditions: Iterable[Condition] | None,
    type_: str,
    status: Truth,
    reason: str,
    message: str,
    now: datetime,
) -> list[Condition]:
    """Return the list with one condition set; its lastTransitionTime moves only with its status."""
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
    if old is None:
        return [*items, new]
    if "observedGeneration" in old:
        new["observedGeneration"] = old["observedGeneration"]
    return [new if one is old else one for one in items]
