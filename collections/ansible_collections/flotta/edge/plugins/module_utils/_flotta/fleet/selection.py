# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/selection.py: change that.
"""Decide which workload runs on which device.

The one place that knows the rules; operator and Edge API both call it, so that what is listed in
`status.workloads` and what is delivered to a device can never follow different rules.

Rules (Kubernetes LabelSelector semantics;
docs/reference/control-plane.md#which-device-runs-which-workload):

* workload and device are in the same namespace, and neither is being deleted;
* a non-empty `spec.device` is the name of the only device and wins over `spec.deviceSelector`;
* an absent selector selects nothing, an empty one every device of the namespace;
* `matchLabels` and all `matchExpressions` must hold; `NotIn` also holds for an absent key;
* a selector that Kubernetes would refuse (unknown operator, `In` without values, …) selects
  nothing; `selector_problem` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..resources.objects.devices import EdgeDevice
from ..resources.objects.workloads import EdgeWorkload, LabelSelector, LabelSelectorRequirement
from ..resources.views import is_being_deleted, labels_of, name_of, namespace_of, spec_of

# Operators of a LabelSelectorRequirement, applied to the value of a label (None when absent).
LISTS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
}
PRESENCE: dict[str, Callable[[str | None], bool]] = {
    "Exists": lambda value: value is not None,
    "DoesNotExist": lambda value: value is None,
}


def matches(workload: EdgeWorkload, device: EdgeDevice) -> bool:
    """Tell whether this EdgeWorkload should run on this EdgeDevice."""
    if is_being_deleted(workload) or is_being_deleted(device):
        return False
    if namespace_of(workload) != namespace_of(device):
        return False
    spec = spec_of(workload)
    if spec.get("device"):
        return spec["device"] == name_of(device)
    selector = spec.get("deviceSelector")
    return selector is not None and selects(selector, labels_of(device))


def workloads_for(device: EdgeDevice, workloads: Iterable[EdgeWorkload]) -> list[EdgeWorkload]:
    """Return the workloads that should run on the device, sorted by name."""
    found = [workload for workload in workloads if matches(workload, device)]
    return sorted(found, key=name_of)


def devices_for(workload: EdgeWorkload, devices: Iterable[EdgeDevice]) -> list[EdgeDevice]:
    """Return the devices that should run the workload, sorted by name."""
    return sorted((device for device in devices if matches(workload, device)), key=name_of)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Evaluate a Kubernetes LabelSelector; an unusable one selects nothing."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(item, labels) for item in selector.get("matchExpressions") or [])


def selector_problem(workload: EdgeWorkload) -> str | None:
    """Return a sentence why the workload's selector can select nothing, None when it is usable."""
    spec = spec_of(workload)
    if spec.get("device"):
        return None
    if spec.get("deviceSelector") is None:
        return "neither spec.device nor spec.deviceSelector is set, so no device is selected"
    problems = (
        _expression_problem(index, item)
        for index, item in enumerate(spec["deviceSelector"].get("matchExpressions") or [])
    )
    return next((problem for problem in problems if problem), None)


def _holds(item: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    if _expression_problem(0, item):
        return False
    value, operator = labels.get(item["key"]), item["operator"]
    if operator in PRESENCE:
        return PRESENCE[operator](value)
    return LISTS[operator](value, item["values"])


def _expression_problem(index: int, item: LabelSelectorRequirement) -> str | None:
    path = f"spec.deviceSelector.matchExpressions[{index}]"
    operator, values = item.get("operator"), item.get("values")
    if not item.get("key"):
        return f"{path}.key is empty, so no device is selected"
    if operator in LISTS:
        return None if values else f"{path}.values must not be empty for operator {operator}"
    if operator in PRESENCE:
        return f"{path}.values must be empty for operator {operator}" if values else None
    return f"{path}.operator {operator!r} is not one of In, NotIn, Exists, DoesNotExist"
