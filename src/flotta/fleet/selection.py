"""Decide which workload runs on which device.

The one place that knows the rules; operator and Edge API both call it, so that what is listed in
`status.workloads` and what is delivered to a device can never follow different rules.

Rules (Kubernetes LabelSelector semantics):

* workload and device are of one namespace, and neither is being deleted;
* a non-empty `spec.device` is the name of the only device and wins over `spec.deviceSelector`;
* an absent selector selects nothing, an empty one every device of the namespace;
* `matchLabels` and all `matchExpressions` must hold together; `NotIn` holds for an absent key;
* a selector that Kubernetes would refuse (unknown operator, `In` without values, …) selects
  nothing; `selector_problem` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

LISTS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
}
PRESENCE: dict[str, Callable[[str | None], bool]] = {
    "Exists": lambda value: value is not None,
    "DoesNotExist": lambda value: value is None,
}


def matches(workload: Mapping[str, Any], device: Mapping[str, Any]) -> bool:
    """Tell whether this EdgeWorkload is to run on this EdgeDevice."""
    theirs, ours = workload["metadata"], device["metadata"]
    if theirs.get("deletionTimestamp") or ours.get("deletionTimestamp"):
        return False
    if theirs.get("namespace") != ours.get("namespace"):
        return False
    spec = workload.get("spec") or {}
    if spec.get("device"):
        return bool(spec["device"] == ours["name"])
    selector = spec.get("deviceSelector")
    return selector is not None and selects(selector, ours.get("labels") or {})


def workloads_for(
    device: Mapping[str, Any], workloads: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the workloads that are to run on the device, sorted by name."""
    found = [workload for workload in workloads if matches(workload, device)]
    return sorted(found, key=_name)


def devices_for(
    workload: Mapping[str, Any], devices: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the devices that are to run the workload, sorted by name."""
    return sorted((device for device in devices if matches(workload, device)), key=_name)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Evaluate a Kubernetes LabelSelector; an unusable one selects nothing."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(item, labels) for item in selector.get("matchExpressions") or [])


def selector_problem(workload: Mapping[str, Any]) -> str | None:
    """Say in a sentence why the workload's selector can select nothing, None when it is usable."""
    spec = workload.get("spec") or {}
    if spec.get("device"):
        return None
    if spec.get("deviceSelector") is None:
        return "neither spec.device nor spec.deviceSelector is set, so no device is selected"
    problems = (
        _expression_problem(index, item)
        for index, item in enumerate(spec["deviceSelector"].get("matchExpressions") or [])
    )
    return next((problem for problem in problems if problem), None)


def _holds(item: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if _expression_problem(0, item):
        return False
    value, operator = labels.get(item["key"]), item["operator"]
    if operator in PRESENCE:
        return PRESENCE[operator](value)
    return LISTS[operator](value, item["values"])


def _expression_problem(index: int, item: Mapping[str, Any]) -> str | None:
    path = f"spec.deviceSelector.matchExpressions[{index}]"
    operator, values = item.get("operator"), item.get("values")
    if not item.get("key"):
        return f"{path}.key is empty, so no device is selected"
    if operator in LISTS:
        return None if values else f"{path}.values must not be empty for operator {operator}"
    if operator in PRESENCE:
        return f"{path}.values must be empty for operator {operator}" if values else None
    return f"{path}.operator {operator!r} is none of In, NotIn, Exists, DoesNotExist"


def _name(resource: dict[str, Any]) -> str:
    return str(resource["metadata"]["name"])
