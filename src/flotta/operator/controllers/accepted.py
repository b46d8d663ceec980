"""Condition Accepted: whether an object can be carried out as the user wrote it."""

from __future__ import annotations

from flotta.fleet.refused_fields import refused_fields
from flotta.fleet.selection import selector_problem
from flotta.fleet.self_reported import secrets_warning
from flotta.operator.controllers.device_views import storage_section
from flotta.operator.controllers.workload_labels import workload_label
from flotta.protocol.reasons.conditions import (
    IN_SET,
    NO_LABEL,
    SECRETS_BY_SELF_REPORTED_LABELS,
    SELECTOR_UNUSABLE,
    SET_MISSING,
    STORAGE_CONTRADICTION,
    VALID,
)
from flotta.protocol.reasons.workloads import UNSUPPORTED_FIELD
from flotta.resources.conditions import ConditionState
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import name_of


def judge_workload(workload: EdgeWorkload) -> ConditionState:
    """Judge an EdgeWorkload."""
    problem = selector_problem(workload)
    if problem:
        return "False", SELECTOR_UNUSABLE, problem
    refused = refused_fields(workload)
    if refused:
        return "False", UNSUPPORTED_FIELD, refused
    warning = secrets_warning(workload)
    if warning:
        return "True", SECRETS_BY_SELF_REPORTED_LABELS, warning
    if workload_label(name_of(workload)) is None:
        text = "The name is longer than 63 characters, so devices get no label workload/NAME"
        return "True", NO_LABEL, text
    return "True", VALID, "The selector is usable"


def judge_set(device_set: EdgeDeviceSet) -> ConditionState:
    """Judge an EdgeDeviceSet."""
    return _find_contradiction(device_set) or (
        "True",
        VALID,
        "Its settings are in effect on all members",
    )


def judge_device(
    device: EdgeDevice, set_name: str | None, device_set: EdgeDeviceSet | None
) -> ConditionState:
    """Judge an EdgeDevice with the name of its set, and that set if it exists."""
    if set_name and device_set is None:
        text = f"EdgeDeviceSet {set_name} does not exist; the device's own settings are in effect"
        return "False", SET_MISSING, text
    if device_set is not None:
        return "True", IN_SET, f"The settings of EdgeDeviceSet {set_name} are in effect"
    return _find_contradiction(device) or (
        "True",
        VALID,
        "The device's own settings are in effect",
    )


def _find_contradiction(resource: EdgeDevice | EdgeDeviceSet) -> ConditionState | None:
    s3 = storage_section(resource)
    if s3.get("createOBC") and (s3.get("secretName") or s3.get("configMapName")):
        # Which of them a device uses depends on whether it has a claim: StorageReady says it.
        text = (
            "storage.s3 has createOBC and secretName or configMapName; "
            "no bucket claim is created because of createOBC"
        )
        return "False", STORAGE_CONTRADICTION, text
    return None
