"""The status of kinds that count devices: counts and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flotta.operator.runtime.steps import Patch, Plan
from flotta.resources.conditions import ConditionState, with_condition
from flotta.resources.kinds import Kind
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.meta import Resource
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import conditions_of, generation_of

COUNTS_DELAY = 1.0  # seconds in which changes of many devices join one write of counts


def plan_status(
    kind: Kind[Resource],
    resource: EdgeWorkload | EdgeDeviceSet,
    counts: Mapping[str, int],
    states: Mapping[str, ConditionState],
    now: datetime,
) -> Plan:
    """Plan to write what of counts (by field) and conditions (by type) is not in the status yet."""
    old: Mapping[str, object] = resource.get("status") or {}
    generation = generation_of(resource)
    conditions = list(conditions_of(resource))
    for type_, state in states.items():
        conditions = with_condition(conditions, type_, *state, now, generation)
    new = {**counts, "observedGeneration": generation, "conditions": conditions}
    change = {key: value for key, value in new.items() if old.get(key) != value}
    return Plan((Patch(kind, resource, {"status": change}, "status"),) if change else ())
