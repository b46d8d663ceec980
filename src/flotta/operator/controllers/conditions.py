"""The conditions of an object after it was judged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flotta.resources.conditions import ConditionState, with_condition
from flotta.resources.objects.meta import Condition, Resource
from flotta.resources.views import conditions_of, generation_of


def judged_conditions(
    resource: Resource, states: Mapping[str, ConditionState | None], now: datetime
) -> list[Condition]:
    """Return all conditions of the object with these states, by type; None removes one."""
    old = conditions_of(resource)
    new = [condition for condition in old if states.get(condition.get("type", ""), condition)]
    for type_, state in states.items():
        if state:
            new = with_condition(new, type_, *state, now, generation_of(resource))
    return new
