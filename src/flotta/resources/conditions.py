"""Standard Kubernetes conditions (metav1.Condition) in a list, changed only when something changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from ..rfc3339 import format_time

Condition = dict[str, Any]
ACCEPTED = "Accepted"  # of an EdgeDevice or EdgeWorkload: what was asked for can be carried out
CONFIGURED = "Configured"  # of an EdgeDevice: nothing in its configuration is broken
DISCONNECTED = "Disconnected"  # of an EdgeDevice: it has acknowledged its removal
READY = "Ready"  # of an EdgeDevice: heard in time; of a bucket claim: answered
STORAGE_READY = "StorageReady"  # of an EdgeDevice that gets its bucket by a claim

Truth = Literal["True", "False", "Unknown"]
ConditionState = tuple[Truth, str, str]  # status, reason, message


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
    since = format_time(now) if moved or old is None else old.get("lastTransitionTime")
    new = {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or format_time(now),
    }
    observed = (old or {}).get("observedGeneration") if generation is None else generation
    if observed is not None:
        new["observedGeneration"] = observed
    if old is None:
        return [*items, new]
    return [new if one is old else one for one in items]
