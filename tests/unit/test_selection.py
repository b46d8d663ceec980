"""Selection follows Kubernetes' LabelSelector rules, with `spec.device` first."""

from __future__ import annotations

from typing import Any

import pytest

from flotta.fleet.selection import devices_for, matches, selector_problem, workloads_for


def device(name: str = "till-1", namespace: str = "default", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def workload(name: str = "printer", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    item: dict[str, Any] = {"key": key, "operator": operator}
    return {"matchExpressions": [item | ({"values": list(values)} if values else {})]}


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({}, {}, True),
        ({}, {"role": "till"}, True),
        ({"matchLabels": {}}, {}, True),
        ({"matchLabels": {"role": "till"}}, {"role": "till", "floor": "2"}, True),
        ({"matchLabels": {"role": "till"}}, {"role": "camera"}, False),
        ({"matchLabels": {"role": "till"}}, {}, False),
        ({"matchLabels": {"example.com/role": "till"}}, {"example.com/role": "till"}, True),
        ({"matchLabels": {"role": ""}}, {}, False),
        (expression("role", "In", "till", "camera"), {"role": "camera"}, True),
        (expression("role", "In", "till"), {"role": "camera"}, False),
        (expression("role", "In", "till"), {}, False),
        (expression("role", "NotIn", "till"), {"role": "camera"}, True),
        (expression("role", "NotIn", "till"), {"role": "till"}, False),
        (expression("role", "NotIn", "till"), {}, True),
        (expression("role", "Exists"), {"role": ""}, True),
        (expression("role", "Exists"), {}, False),
        (expression("role", "DoesNotExist"), {}, True),
        (expression("role", "DoesNotExist"), {"role": "till"}, False),
        ({"matchLabels": {"a": "1"}} | expression("b", "Exists"), {"a": "1"}, False),
        ({"matchLabels": {"a": "1"}} | expression("b", "Exists"), {"a": "1", "b": ""}, True),
    ],
)
def test_selector_against_labels(
    selector: dict[str, Any], labels: dict[str, str], expected: bool
) -> None:
    assert matches(workload(deviceSelector=selector), device(**labels)) is expected


@pytest.mark.parametrize(
    ("selector", "path"),
    [
        (expression("role", "Near"), "matchExpressions[0].operator"),
        (expression("role", "In"), "matchExpressions[0].values"),
        (expression("role", "Exists", "till"), "matchExpressions[0].values"),
        (expression("", "Exists"), "matchExpressions[0].key"),
    ],
)
def test_unusable_selector_selects_nothing_and_says_why(
    selector: dict[str, Any], path: str
) -> None:
    broken = workload(deviceSelector=selector)
    assert not matches(broken, device(role="till"))
    assert path in (selector_problem(broken) or "")


def test_absent_selector_selects_nothing() -> None:
    assert not matches(workload(), device(role="till"))
    assert "spec.deviceSelector" in (selector_problem(workload()) or "")


def test_named_device_wins_over_the_selector() -> None:
    named = workload(device="till-1", deviceSelector={"matchLabels": {"role": "camera"}})
    assert matches(named, device("till-1"))
    assert not matches(named, device("camera-1", role="camera"))
    assert selector_problem(named) is None


def test_other_namespace_never_matches() -> None:
    assert not matches(workload(deviceSelector={}), device(namespace="shops"))


def test_objects_being_deleted_never_match() -> None:
    leaving = device()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    removed = workload(deviceSelector={})
    removed["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not matches(workload(deviceSelector={}), leaving)
    assert not matches(removed, device())


def test_missing_labels_and_spec_are_empty() -> None:
    bare = {"metadata": {"name": "till-1", "namespace": "default"}}
    assert matches(workload(deviceSelector={}), bare)
    assert not matches({"metadata": {"name": "printer", "namespace": "default"}}, bare)


def test_results_are_sorted_by_name() -> None:
    everywhere = [workload("b", deviceSelector={}), workload("a", deviceSelector={}), workload("c")]
    assert [w["metadata"]["name"] for w in workloads_for(device(), everywhere)] == ["a", "b"]
    fleet = [device("z"), device("m")]
    found = devices_for(workload(deviceSelector={}), fleet)
    assert [d["metadata"]["name"] for d in found] == ["m", "z"]
