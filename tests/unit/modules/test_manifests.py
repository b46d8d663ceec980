"""What modules make of `spec` and `definition`, on a fleet in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import EDGE_DEVICE
from memory_client import MemoryClient
from module_run import run

POD = {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": None}]}]}}
GROUP = "management.project-flotta.io/v1alpha1"


def workload(**parameters: Any) -> dict[str, Any]:
    return run("edge_workload", **parameters)


def device(client: MemoryClient, **parameters: Any) -> dict[str, Any]:
    client.have(EDGE_DEVICE, "till-1", spec={"heartbeat": {"periodSeconds": 5}})
    return run("edge_device", name="till-1", **parameters)


def test_what_the_user_did_not_write_is_not_sent(client: MemoryClient) -> None:
    spec = {"type": "pod", "deviceSelector": {}, "data": {"retention": None}, "pod": POD}
    sent = workload(name="web", spec=spec)["workload"]["spec"]
    container = {"name": "main", "env": [{"name": "A"}]}
    assert sent == {
        "type": "pod",
        "deviceSelector": {},
        "data": {},
        "pod": {"spec": {"containers": [container]}},
    }


def test_null_removes_a_field_of_a_device(client: MemoryClient) -> None:
    assert device(client, spec={"heartbeat": {"periodSeconds": None}})["device"]["spec"] == {
        "heartbeat": {}
    }
    assert device(client, definition={"spec": {"heartbeat": None}})["device"]["spec"] == {}
    assert not device(client, spec={"heartbeat": {}})["changed"]


def test_null_in_an_element_of_a_list_is_dropped(client: MemoryClient) -> None:
    mount = {"device": "/dev/x", "folder": "/x"}
    for written in ("spec", "definition"):
        spec = {"mounts": [{**mount, "type": None, "options": written}]}
        wanted = {"spec": spec} if written == "spec" else {"definition": {"spec": spec}}
        assert device(client, **wanted)["device"]["spec"]["mounts"] == [
            {**mount, "options": written}
        ]


def test_of_a_field_with_both_names_the_current_one_counts_with_a_warning(
    client: MemoryClient,
) -> None:
    both = (
        {"period_seconds": 11, "periodSeconds": 12},
        {"periodSeconds": 12, "period-seconds": 11},
    )
    for heartbeat in both:
        answer = device(client, spec={"heartbeat": heartbeat})
        assert answer["device"]["spec"] == {"heartbeat": {"periodSeconds": 12}}
        assert "is dropped: it is now periodSeconds, which is there, too" in str(answer["warnings"])


def test_a_definition_may_have_a_number_for_a_name_and_null_for_a_kind(
    client: MemoryClient,
) -> None:
    definition = {"kind": None, "metadata": {"name": 5}, "spec": {"type": "pod"}}
    assert workload(name="5", definition=definition)["changed"]


def test_texts_become_what_the_field_is(client: MemoryClient) -> None:
    spec = {"heartbeat": {"periodSeconds": "30"}, "osInformation": {"automaticallyUpgrade": "yes"}}
    assert device(client, spec=spec)["device"]["spec"] == {
        "heartbeat": {"periodSeconds": 30},
        "osInformation": {"automaticallyUpgrade": True},
    }


@pytest.mark.parametrize(
    "spec",
    [
        '{"heartbeat": {"periodSeconds": 30}}',
        {"heartbeat": '{"periodSeconds": 30}'},
        "heartbeat='{\"periodSeconds\": 30}'",
        '{"heartbeat": {"period_seconds": 30}}',  # a name of earlier releases
        {"heartbeat": '{"period_seconds": 30}'},
    ],
)
def test_text_of_a_specification_leaves_the_other_fields_as_they_are(
    client: MemoryClient, spec: Any
) -> None:
    scope = {"hardwareProfile": {"include": True}}
    others = {"mounts": [{"device": "/dev/x", "folder": "/x"}]}
    client.have(EDGE_DEVICE, "till-1", spec={"heartbeat": {"periodSeconds": 5, **scope}, **others})
    made = run("edge_device", name="till-1", spec=spec)["device"]["spec"]
    assert made == {"heartbeat": {"periodSeconds": 30, **scope}, **others}


def test_text_in_lists_and_null_in_text_are_as_written(client: MemoryClient) -> None:
    mounts = ['{"device": "/dev/x", "folder": "/x"}']
    spec = {"heartbeat": '{"periodSeconds": null}', "mounts": mounts}
    mounted = {"device": "/dev/x", "folder": "/x"}
    assert device(client, spec=spec)["device"]["spec"] == {"heartbeat": {}, "mounts": [mounted]}


def test_labels_in_a_selector_are_text(client: MemoryClient) -> None:
    requirement = {"key": "n", "operator": "In", "values": [1, True, "x"]}
    selector = {"matchLabels": {"till": True, "floor": 2}, "matchExpressions": [requirement]}
    spec = {"type": "pod", "deviceSelector": selector}
    sent = workload(name="web", spec=spec)["workload"]["spec"]["deviceSelector"]
    assert sent["matchLabels"] == {"till": "true", "floor": "2"}
    assert sent["matchExpressions"][0]["values"] == ["1", "true", "x"]
    answer = workload(
        name="web", spec={"type": "pod", "deviceSelector": {"matchLabels": {"a": []}}}
    )
    assert "spec.deviceSelector.matchLabels: a is a list" in answer["msg"]


def test_a_misspelt_field_is_refused_with_those_that_exist(client: MemoryClient) -> None:
    message = device(client, spec={"heartbeat": {"perodSeconds": 5}})["msg"]
    assert "spec.heartbeat.perodSeconds" in message
    assert "periodSeconds" in message.partition("Supported parameters include")[2]
    assert client.writes == []


def test_old_names_are_replaced_in_spec_and_definition_with_a_warning(client: MemoryClient) -> None:
    old = {"spec": {"heartbeat": {"hardware_profile": {"include": True}}}}
    new = {"heartbeat": {"periodSeconds": 5, "hardwareProfile": {"include": True}}}
    for parameters in (old, {"definition": old}):
        answer = device(client, **parameters)
        assert answer["device"]["spec"] == new
        assert "hardware_profile is now hardwareProfile" in str(answer["warnings"])


def test_a_definition_has_name_namespace_labels_and_annotations(client: MemoryClient) -> None:
    metadata = {
        "name": "web",
        "namespace": "shops",
        "labels": {"a": 1, "b": "2"},
        "annotations": {"c": True},
        "uid": "u",
        "finalizers": ["x"],
    }
    definition = {"apiVersion": GROUP, "kind": "EdgeWorkload", "metadata": metadata}
    definition["spec"] = {"type": "pod", "invented": 1}
    first = workload(definition=definition, labels={"b": False})
    again = workload(definition=definition, labels={"b": False})
    assert (first["changed"], again["changed"]) == (True, False)
    made = client.objects["EdgeWorkload", "shops", "web"]
    assert made["metadata"]["labels"] == {"a": "1", "b": "false"}
    assert made["metadata"]["annotations"]["c"] == "true"
    assert made["spec"] == {"type": "pod"}
    for sentence in ("metadata (uid) is dropped", "metadata.finalizers is not used", "invented"):
        assert sentence in str(first["warnings"])


def test_a_manifest_of_an_earlier_kind_is_taken(client: MemoryClient) -> None:
    definition = {"kind": "EdgeDeployment", "spec": {"type": "pod"}}
    assert workload(name="web", definition=definition)["changed"]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "one of the following is required: name, definition"),
        ({"definition": {}}, "definition.metadata has no name: set the option name"),
        ({"name": "web", "definition": {}, "spec": {}}, "mutually exclusive: spec|definition"),
        ({"name": "a", "definition": {"metadata": {"name": "b"}}}, "name is a, and definition.met"),
        ({"name": "a", "definition": {"sepc": {}}}, "definition has sepc; it may have apiVersion"),
        ({"name": "a", "definition": {"spec": []}}, "definition.spec is not a dictionary"),
        ({"name": "a", "definition": {"metadata": []}}, "definition.metadata is not a dictionary"),
        ({"name": "a", "definition": {"kind": "Pod"}}, "kind of definition is Pod of management"),
        ({"name": "a", "definition": {"apiVersion": "v1"}}, "this module takes EdgeWorkload of"),
        ({"name": "a", "definition": {"apiVersion": "management.k4e.io/v1"}}, "write it again for"),
        ({"name": "a", "definition": {}, "labels": {"b": []}}, "b is a list"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    client: MemoryClient, parameters: dict[str, Any], sentence: str
) -> None:
    assert sentence in workload(**parameters)["msg"]
    assert client.writes == []
