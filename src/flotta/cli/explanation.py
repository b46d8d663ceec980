"""Why a device or a workload is as it is, in sentences. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotta.cli.fleet_status import describe_age, device_state, request_state
from flotta.fleet.selection import devices_for, selector_problem, selects, workloads_for
from flotta.fleet.workload_status import is_failing
from flotta.resources.kinds import MEMBER_LABEL

Object = dict[str, Any]

SHOWN_EVENTS = 5
WAITING = ("deploying", "created", "unknown")
HEARD = ("ready", "degraded", "without storage", "misconfigured")
STATES = {
    "ready": "It reports in time",
    "degraded": "It reports in time, but says that not everything works.",
    "without storage": "It reports in time, but has no bucket for its files.",
    "misconfigured": (
        "It reports in time, but not everything in its configuration can be carried out."
    ),
    "not ready": "It reports, but is not ready.",
    "offline": "It has not reported in time: it is switched off, or cannot reach the Edge API.",
    "joining": "It was approved and has not registered yet. Its gateway does that by itself.",
    "leaving": "It is being removed; that waits until the device has acknowledged it.",
    "unknown": "It has not reported yet.",
}


def explain_request(request: Mapping[str, Any]) -> list[str]:
    """Explain a request that no device came of."""
    name, state = request["metadata"]["name"], request_state(request)
    if state == "waiting for approval":
        return [f"{name} asks to join. Let it in with: flotta approve {name}"]
    if state == "declined":
        return [f"{name} asked to join and was declined. Undo that with: flotta approve {name}"]
    return [
        f"{name} is approved, but its EdgeDevice does not exist yet.",
        _operator_message(request),
    ]


def explain_device(
    device: Object, workloads: Iterable[Object], events: Iterable[Object]
) -> list[str]:
    """Explain a device: how it is, what runs on it and what does not, what happened lately."""
    status = device.get("status") or {}
    lines = [_describe_state(device), *_describe_conditions(status)]
    member = (device["metadata"].get("labels") or {}).get(MEMBER_LABEL)
    if member:
        lines.append(f"It is a member of the set {member}, whose configuration wins.")
    return [*lines, *_describe_workloads(device, workloads), *_describe_events(events)]


def _describe_state(device: Object) -> str:
    name, status, word = (
        device["metadata"]["name"],
        device.get("status") or {},
        device_state(device),
    )
    meaning = STATES[word]
    if word == "ready":
        well = not _describe_conditions(status) and not _has_failing_workload(status)
        meaning += " and all is well." if well else ", but not all is well."
    return (
        f"{name} is {word}. {meaning} Last seen: {describe_age(status.get('lastSeenTime') or '')}."
    )


def _describe_workloads(device: Object, workloads: Iterable[Object]) -> list[str]:
    """Say how each workload is that is for the device or still on it."""
    status = device.get("status") or {}
    entries = {entry["name"]: entry for entry in status.get("workloads") or ()}
    chosen = [workload["metadata"]["name"] for workload in workloads_for(device, workloads)]
    if not chosen and not entries:
        return ["No workload selects it; see: flotta explain workload NAME"]
    leaving = [name for name in entries if name not in chosen]
    return [
        *(_describe_workload_status(name, entries.get(name)) for name in chosen),
        *(f"{name} is no longer for it and is being removed." for name in leaving),
    ]


def explain_workload(
    workload: Object, devices: Iterable[Object], events: Iterable[Object]
) -> list[str]:
    """Explain a workload: where it runs, where it fails, and why other devices do not have it."""
    metadata = workload["metadata"]
    candidates = [
        device for device in devices if device["metadata"]["namespace"] == metadata["namespace"]
    ]
    chosen = devices_for(workload, candidates)
    lines = [_describe_target(workload, len(chosen))]
    lines += [_describe_on_device(device, metadata["name"]) for device in chosen]
    lines += [
        f"Not on {device['metadata']['name']}: {reason}."
        for device in candidates
        if device not in chosen and (reason := _explain_mismatch(workload, device))
    ]
    return lines + _describe_events(events)


def _describe_target(workload: Object, count: int) -> str:
    name = workload["metadata"]["name"]
    if workload["metadata"].get("deletionTimestamp"):
        return f"{name} is being deleted and leaves its devices."
    problem = selector_problem(workload)
    if problem:
        return f"{name} runs nowhere: {problem}."
    devices = "1 device" if count == 1 else f"{count} devices"
    return f"{name} is for {devices}."


def _describe_on_device(device: Object, workload: str) -> str:
    entries = (device.get("status") or {}).get("workloads") or ()
    entry = next((entry for entry in entries if entry["name"] == workload), None)
    name, word = device["metadata"]["name"], device_state(device)
    asleep = "" if word in HEARD else f" The device is {word}."
    return f"On {name}: {_describe_workload_status(workload, entry)}{asleep}"


def _describe_workload_status(name: str, entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return f"{name} is not assigned yet; the operator does that. Is flotta-operator running?"
    phase = entry.get("phase") or "unknown"
    why = ": ".join(entry[key] for key in ("reason", "message") if entry.get(key))
    if why:
        return f"{name} is {phase}, because of {why.rstrip('.')}."
    if phase.lower() in WAITING:
        return f"{name} is {phase}; the device has not said more yet."
    return f"{name} is {phase}."


def _has_failing_workload(status: Mapping[str, Any]) -> bool:
    return any(is_failing(entry) for entry in status.get("workloads") or ())


def _describe_conditions(status: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each condition that is not true."""
    return [
        _describe_condition(condition)
        for condition in status.get("conditions") or ()
        if condition["status"] != "True"
    ]


def _describe_condition(condition: Mapping[str, Any]) -> str:
    text = str(condition.get("message") or condition.get("reason") or "").rstrip(".")
    return f"Condition {condition['type']} is {condition['status']}{': ' if text else ''}{text}."


def _explain_mismatch(workload: Object, device: Object) -> str:
    """Say why the workload does not select the device; empty when its selector is at fault."""
    spec, metadata = workload.get("spec") or {}, device["metadata"]
    if metadata.get("deletionTimestamp"):
        return "it is being removed"
    if spec.get("device"):
        return f"the workload names the device {spec['device']}"
    labels, selector = metadata.get("labels") or {}, spec.get("deviceSelector") or {}
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return _describe_label_mismatch(labels, key, f"{key}={value}")
    for expression in selector.get("matchExpressions") or ():
        wanted = f"{expression['key']} {expression['operator']}{_describe_values(expression)}"
        if not selects({"matchExpressions": [expression]}, labels):
            return _describe_label_mismatch(labels, expression["key"], wanted)
    return ""


def _describe_values(requirement: Mapping[str, Any]) -> str:
    values = requirement.get("values")
    return f" ({', '.join(values)})" if values else ""


def _describe_label_mismatch(labels: Mapping[str, str], key: str, wanted: str) -> str:
    have = f"it has {key}={labels[key]}" if key in labels else f"it has no label {key}"
    return f"{have}, and {wanted} is asked for"


def _operator_message(request: Mapping[str, Any]) -> str:
    """Return what the operator says of the request as it is now."""
    status = request.get("status") or {}
    seen = status.get("observedGeneration") == request["metadata"].get("generation")
    messages = [
        str(condition.get("message") or "").rstrip(".")
        for condition in status.get("conditions") or ()
        if condition["status"] == "True" and seen
    ]
    return f"{messages[0]}." if any(messages) else "Is flotta-operator running?"


def _describe_events(events: Iterable[Object]) -> list[str]:
    recent = sorted(events, key=_event_time)[-SHOWN_EVENTS:]
    if not recent:
        return []
    return ["Lately:", *map(_describe_event, recent)]


def _describe_event(event: Object) -> str:
    age, message = describe_age(_event_time(event)), event.get("message", "").strip()
    return f"  {age}: {event.get('reason')}: {message}"


def _event_time(event: Mapping[str, Any]) -> str:
    created = event["metadata"]["creationTimestamp"]
    return str(event.get("lastTimestamp") or event.get("eventTime") or created)
