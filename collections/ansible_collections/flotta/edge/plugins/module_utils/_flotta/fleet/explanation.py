# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/explanation.py: change that.
"""Explanations of the state of a device or a workload, in sentences. No I/O.

Each line is printable: devices, and what earlier releases stored of them, are quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..fleet.former_labels import settles_at, workloads_kept
from ..fleet.quarantine import describe_quarantine, quarantine_of
from ..fleet.refused_fields import refused_fields
from ..fleet.remedies import condition_remedy, workload_remedy
from ..fleet.request_explanation import LINE_LIMIT, describe_decision
from ..fleet.selection import devices_for, selector_problem, selects, workloads_for
from ..fleet.self_reported import brought_warning, secrets_warning
from ..fleet.status import describe_age, device_state
from ..fleet.unknown_devices import UnknownDevice
from ..fleet.workload_status import hides_readiness, is_failing
from ..printable_text import printable
from ..resources.conditions import QUARANTINED, find_condition
from ..resources.kinds import EDGE_DEVICE, MEMBER_LABEL
from ..resources.objects.core import Event
from ..resources.objects.devices import (
    EdgeDevice,
    EdgeDeviceStatus,
    SignedRequest,
    WorkloadStatus,
)
from ..resources.objects.meta import Condition
from ..resources.objects.workloads import EdgeWorkload, LabelSelectorRequirement
from ..resources.views import (
    conditions_of,
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)

SHOWN_EVENTS = 5  # newest Events; more would push the current problems off the screen
WAITING = ("deploying", "created", "unknown")  # phases that usually have no reason
HEARD = ("ready", "degraded", "without storage", "misconfigured")  # states of a device that reports
# Each state and what to do is in docs/reference/reasons.md#states-in-flotta-status.
STATES = {
    "ready": "It reports in time",
    "degraded": "It reports in time, but says that it is degraded.",
    "without storage": "It reports in time, but has no bucket for its files.",
    "misconfigured": "It reports in time, but part of its configuration cannot be delivered.",
    "not ready": "It reports, but is not ready.",
    "offline": "It has not reported in time: it is switched off, or cannot reach the Edge API.",
    "quarantined": "Nothing that it sends is accepted until it is released.",
    "joining": "It is approved but has not registered yet. Its gateway registers automatically.",
    "leaving": "It is being decommissioned; flotta waits until the device acknowledges that.",
    "wipe held": "It was deleted with many others; it keeps running and waits for your word.",
    "withheld": "It gets no configuration until that keeps what the device runs.",
    "unknown": "It has not reported yet.",
}


def explain_unknown(device: UnknownDevice) -> list[str]:
    """Explain a device that has a certificate of the fleet, but no EdgeDevice that accepts it."""
    return [
        f"{device.name} is unknown to this control plane and keeps running. It was last seen "
        f"{describe_age(device.last_seen)}.",
        f"If it belongs to the fleet, take it back with: flotta adopt {device.name} "
        f"-n {device.namespace}",
    ]


def explain_device(
    device: EdgeDevice,
    workloads: Iterable[EdgeWorkload],
    events: Iterable[Event],
    request: SignedRequest | None = None,
) -> list[str]:
    """Explain a device: its state, what runs on it and what does not, recent Events.

    Its request to join says who or which rule let it in.
    """
    lines = [
        _describe_state(device),
        *(describe_decision(request) if request else ()),
        *_describe_quarantine(device),
        *_describe_conditions(device),
    ]
    member = labels_of(device).get(MEMBER_LABEL)
    if member:
        lines.append(
            f"It is a member of the EdgeDeviceSet {member}, whose settings replace its own."
        )
    lines += [*_describe_workloads(device, workloads), *_describe_events(events)]
    return [printable(line, LINE_LIMIT) for line in lines]


def _describe_state(device: EdgeDevice) -> str:
    name, status, word = name_of(device), status_of(device), device_state(device)
    meaning = STATES[word]
    if word == "ready":
        well = not _describe_conditions(device) and not _has_trouble(status)
        meaning += " and everything works." if well else ", but not everything works."
    return (
        f"{name} is {word}. {meaning} Last seen: {describe_age(status.get('lastSeenTime') or '')}."
    )


def _describe_quarantine(device: EdgeDevice) -> list[str]:
    """Say who quarantined the device, what it may still hold, and how it is let in again."""
    quarantine = quarantine_of(device)
    if quarantine is None:
        return []
    condition = find_condition(conditions_of(device), QUARANTINED)
    return [
        condition["message"] if condition else describe_quarantine(quarantine),
        f"Let it in again with: flotta device release {name_of(device)} -n {namespace_of(device)}",
    ]


def _describe_workloads(device: EdgeDevice, workloads: Iterable[EdgeWorkload]) -> list[str]:
    """Describe each workload that selects the device or is still on it."""
    workloads = list(workloads)
    entries = {entry["name"]: entry for entry in status_of(device).get("workloads") or ()}
    chosen = [name_of(workload) for workload in workloads_for(device, workloads)]
    if not chosen and not entries:
        return ["No workload selects it; see: flotta explain workload NAME"]
    kept = [name_of(item) for item in workloads_kept(device, workloads)]
    leaving = [name for name in entries if name not in {*chosen, *kept}]
    return [
        *(line for name in chosen for line in _describe_entry(device, name, entries.get(name))),
        *(_describe_kept(device, name) for name in entries if name in kept),
        *(f"{name} no longer selects it and is being removed." for name in leaving),
    ]


def _describe_kept(device: EdgeDevice, workload: str) -> str:
    return (
        f"{workload} no longer selects it, because a label that it reports changed; it keeps the "
        f"workload until it reports the new label at {settles_at(device):%Y-%m-%dT%H:%M:%SZ} or "
        "later."
    )


def explain_workload(
    workload: EdgeWorkload, devices: Iterable[EdgeDevice], events: Iterable[Event]
) -> list[str]:
    """Explain a workload: where it runs, where it fails, and why not on other devices."""
    candidates = [device for device in devices if namespace_of(device) == namespace_of(workload)]
    chosen = devices_for(workload, candidates)
    lines = [_describe_target(workload, len(chosen)), *_describe_warning(workload)]
    brought = (brought_warning(workload, device) for device in chosen)
    lines += [f"Warning: {text}." for text in brought if text]
    lines += [line for device in chosen for line in _describe_on_device(device, name_of(workload))]
    lines += [
        f"Not on {name_of(device)}: {reason}."
        for device in candidates
        if device not in chosen and (reason := _explain_mismatch(workload, device))
    ]
    return [printable(line, LINE_LIMIT) for line in lines + _describe_events(events)]


def _describe_target(workload: EdgeWorkload, count: int) -> str:
    name = name_of(workload)
    if is_being_deleted(workload):
        return f"{name} is being deleted and removed from its devices."
    problem = selector_problem(workload)
    if problem:
        return f"{name} runs nowhere: {problem}."
    devices = "1 device" if count == 1 else f"{count} devices"
    return f"{name} selects {devices}."


def _describe_warning(workload: EdgeWorkload) -> list[str]:
    if is_being_deleted(workload):
        return []
    refused, warning = refused_fields(workload), secrets_warning(workload)
    return [
        *(
            [f"Not delivered to new devices, and not changed on others: {refused}."]
            if refused
            else []
        ),
        *([f"Warning: {warning}."] if warning else []),
    ]


def _describe_on_device(device: EdgeDevice, workload: str) -> list[str]:
    entries = status_of(device).get("workloads") or ()
    entry = next((entry for entry in entries if entry["name"] == workload), None)
    name, word = name_of(device), device_state(device)
    state = "" if word in HEARD else f" The device is {word}."
    first, *rest = _describe_entry(device, workload, entry)
    return [f"On {name}: {first}{state}", *rest]


def _describe_entry(device: EdgeDevice, name: str, entry: WorkloadStatus | None) -> list[str]:
    """Describe a workload on a device, and what to do about its reason."""
    remedy = workload_remedy(entry, name_of(device)) if entry else []
    return [_describe_workload_status(name, entry), *remedy]


def _describe_workload_status(name: str, entry: WorkloadStatus | None) -> str:
    if entry is None:
        return f"{name} is not assigned yet; the operator assigns it. Is flotta-operator running?"
    phase = entry.get("phase") or "unknown"
    if hides_readiness(entry):
        phase += ", not ready"
    why = ": ".join(filter(None, (entry.get("reason"), entry.get("message"))))
    if why:
        return f"{name} is {phase}: {why.rstrip('.')}."
    if phase.lower() in WAITING:
        return f"{name} is {phase}; the device has not reported more yet."
    return f"{name} is {phase}."


def _has_trouble(status: EdgeDeviceStatus) -> bool:
    """Tell whether a workload fails, or is not ready."""
    entries = status.get("workloads") or ()
    return any(is_failing(entry) or entry.get("ready") is False for entry in entries)


def _describe_conditions(device: EdgeDevice) -> list[str]:
    """Return a sentence for each condition that is not true, further lines of it indented."""
    return [
        line
        for condition in conditions_of(device)
        if condition["status"] != "True"
        for line in (
            *_describe_condition(condition),
            *condition_remedy(condition, EDGE_DEVICE.kind, name_of(device)),
        )
    ]


def _describe_condition(condition: Condition) -> list[str]:
    text = str(condition.get("message") or condition.get("reason") or "").rstrip(".")
    sentence = (
        f"Condition {condition['type']} is {condition['status']}{': ' if text else ''}{text}."
    )
    first, *rest = sentence.split("\n")
    return [first, *(f"  {line}" for line in rest)]


def _explain_mismatch(workload: EdgeWorkload, device: EdgeDevice) -> str:
    """Return why the workload does not select the device; "" when its selector is unusable."""
    spec = spec_of(workload)
    if is_being_deleted(device):
        return "it is being decommissioned"
    if spec.get("device"):
        return f"the workload names the device {spec['device']}"
    labels, selector = labels_of(device), spec.get("deviceSelector") or {}
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return _describe_label_mismatch(labels, key, f"{key}={value}")
    for expression in selector.get("matchExpressions") or ():
        wanted = f"{expression['key']} {expression['operator']}{_describe_values(expression)}"
        if not selects({"matchExpressions": [expression]}, labels):
            return _describe_label_mismatch(labels, expression["key"], wanted)
    return ""


def _describe_values(requirement: LabelSelectorRequirement) -> str:
    values = requirement.get("values")
    return f" ({', '.join(values)})" if values else ""


def _describe_label_mismatch(labels: Mapping[str, str], key: str, wanted: str) -> str:
    have = f"it has {key}={labels[key]}" if key in labels else f"it has no label {key}"
    return f"{have}; the workload requires {wanted}"


def _describe_events(events: Iterable[Event]) -> list[str]:
    recent = sorted(events, key=_event_time)[-SHOWN_EVENTS:]
    if not recent:
        return []
    return ["Recent Events:", *map(_describe_event, recent)]


def _describe_event(event: Event) -> str:
    age, message = describe_age(_event_time(event)), event.get("message", "").strip()
    return f"  {age}: {event.get('reason')}: {message}"


def _event_time(event: Event) -> str:
    created = event["metadata"]["creationTimestamp"]
    return event.get("lastTimestamp") or event.get("eventTime") or created
