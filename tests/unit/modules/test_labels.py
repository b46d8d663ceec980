"""Values of labels, as users of Ansible write them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
import yaml
from memory_client import MemoryClient
from module_run import loaded, run

from flotta.resources.kinds import EDGE_DEVICE


@pytest.fixture(scope="module")
def labels() -> ModuleType:
    loaded("edge_device")  # finds the collection
    return importlib.import_module("ansible_collections.flotta.edge.plugins.module_utils._labels")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("till", "till"),
        ("true", "true"),
        ("False", "false"),
        ("no", "false"),
        ("3", "3"),
        ("-7", "-7"),
        ("1.5", "1.5"),
        ("1.0", "1.0"),
        ("'1.10'", "1.10"),
        ("''", ""),
    ],
)
def test_value_becomes_the_text_that_yaml_has_for_it(
    written: str, value: str, labels: ModuleType
) -> None:
    assert labels.label_values({"a": yaml.safe_load(written)}) == {"a": value}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, 'labels: role has no value. Write "" for an empty one, or leave it out.'),
        (["a"], "labels: role is a list. A value here is text: put quotes around it."),
        ({"a": 1}, "labels: role is a dictionary. A value here is text: put quotes around it."),
    ],
)
def test_what_has_no_text_is_refused_with_its_name(
    value: object, sentence: str, labels: ModuleType
) -> None:
    with pytest.raises(ValueError, match="role") as refusal:
        labels.label_values({"site": "north", "role": value})
    assert str(refusal.value) == sentence


def test_labels_within_a_specification_are_text_and_nothing_else_changes(
    labels: ModuleType,
) -> None:
    spec: dict[str, Any] = {
        "deviceSelector": {
            "matchLabels": {"till": True},
            "matchExpressions": [{"key": "floor", "operator": "In", "values": [1, "2", True]}],
        },
        "pod": {
            "metadata": {"labels": {"a": 1}, "annotations": {"b": False}},
            "spec": {"hostNetwork": True, "containers": [{"ports": [{"containerPort": 80}]}]},
        },
    }
    assert labels.with_label_values(spec) == {
        "deviceSelector": {
            "matchLabels": {"till": "true"},
            "matchExpressions": [
                {"key": "floor", "operator": "In", "values": ["1", "2", "true"]},
            ],
        },
        "pod": {
            "metadata": {"labels": {"a": "1"}, "annotations": {"b": "false"}},
            "spec": spec["pod"]["spec"],
        },
    }
    assert spec["deviceSelector"]["matchLabels"] == {"till": True}


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"deviceSelector": {"matchLabels": {"a": None}}}, "spec.deviceSelector.matchLabels: a"),
        (
            {"deviceSelector": {"matchExpressions": [{"key": "a", "values": ["x", None]}]}},
            "spec.deviceSelector.matchExpressions: a",
        ),
        ({"pod": [{"labels": {"a": []}}]}, "spec.pod[0].labels: a"),
    ],
)
def test_refusal_says_where_in_the_specification(
    spec: dict[str, Any], name: str, labels: ModuleType
) -> None:
    with pytest.raises(ValueError, match="value") as refusal:
        labels.with_label_values(spec)
    assert str(refusal.value).startswith(f"{name} ")


def test_what_has_another_shape_is_left_to_the_api(labels: ModuleType) -> None:
    spec = {"deviceSelector": {"matchLabels": "a=b", "matchExpressions": ["a", {"values": 3}]}}
    assert labels.with_label_values(spec) == spec


def test_module_sets_a_boolean_as_kubernetes_users_mean_it(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1")
    answer = run("edge_device", name="till-1", labels={"till": True, "floor": 2})
    assert answer["device"]["metadata"]["labels"] == {"till": "true", "floor": "2"}
    refused = run("edge_device", name="till-1", labels={"till": []})
    assert refused["msg"].startswith("labels: till is a list.")
    assert client.writes == ["patch"]


def test_null_takes_a_label_away(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1", metadata={"labels": {"flotta/member-of": "north"}})
    out = {"name": "till-1", "labels": {"flotta/member-of": None}}
    first, again = run("edge_device", **out), run("edge_device", **out)
    assert first["device"]["metadata"]["labels"] == {}
    assert (first["changed"], again["changed"]) == (True, False)
    metadata = {"labels": {"a": 1, "b": 2}, "annotations": {"note": "x"}}
    run("edge_workload", name="web", definition={"metadata": metadata})
    none = {"labels": {"a": None}, "annotations": {"note": None}}
    made = run("edge_workload", name="web", definition={"metadata": none})["workload"]["metadata"]
    assert (made["labels"], made["annotations"]) == ({"b": "2"}, {})


def test_a_name_that_a_user_chose_is_not_taken_for_labels(client: MemoryClient) -> None:
    target = {"kind": "syslog", "syslogConfig": {"name": "x"}}
    spec = {"logCollection": {"labels": target}}
    made = run("edge_device_set", name="north", spec=spec)
    assert made["device_set"]["spec"] == spec
