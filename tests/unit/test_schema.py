"""Admission by the schemas of our CRDs.

`data/admission.jsonl` was recorded from k8s.io/apiextensions-apiserver v0.36.3, the code that a
real API server runs: the stored object, the unknown fields and the causes.
"""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flotta.apiserver.schema.nodes import SchemaError
from flotta.apiserver.schema.rules import UnknownRuleError
from flotta.apiserver.schema.structural import StructuralSchema
from flotta.resources import crds

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "data/admission.jsonl").read_text().splitlines()
]
NOT_CHECKED = "some validation rules were not checked"


@cache
def schema(kind: str) -> StructuralSchema:
    found = next(crd for crd in crds.load() if crd["spec"]["names"]["kind"] == kind)
    return StructuralSchema(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def fields(kind: str, obj: dict[str, Any], subresource: str = "") -> set[tuple[str, str]]:
    causes = schema(kind).admit(obj, subresource).causes
    return {(cause.reason, cause.field) for cause in causes if NOT_CHECKED not in cause.message}


def workload(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "w"}, "spec": {"type": "pod", **spec}}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_admission_is_what_kubernetes_does(case: dict[str, Any]) -> None:
    admission = schema(case["kind"]).admit(case["given"])
    causes = sorted([cause.reason, cause.message, cause.field] for cause in admission.causes)
    assert admission.obj == case["stored"]
    assert admission.unknown == case["unknown"]
    assert causes == case["causes"]


HOST = "../../../../etc/cron.d"
CONTAINER = {"name": "a", "image": "x"}
CONFIG_MAP = {"name": "settings"}


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (pod({**CONTAINER, "name": HOST}), "containers[0].name"),
        (pod({**CONTAINER, "name": "-a"}), "containers[0].name"),
        (pod({**CONTAINER, "image": "--tls-verify=false"}), "containers[0].image"),
        (pod({**CONTAINER, "image": "x y"}), "containers[0].image"),
        (pod(CONTAINER, initContainers=[{"name": "b", "image": "-"}]), "initContainers[0].image"),
        (pod(CONTAINER, volumes=[{"name": HOST, "configMap": CONFIG_MAP}]), "volumes[0].name"),
        (pod(CONTAINER, volumes=[{"name": "a.b", "emptyDir": {}}]), "volumes[0].name"),
        *(
            (
                pod({**CONTAINER, "volumeMounts": [{"name": "v", "mountPath": "/v", field: path}]}),
                f"containers[0].volumeMounts[0].{field}",
            )
            for field in ("subPath", "subPathExpr")
            for path in ("..", "../x", "a/../b", "a/..", "/etc", "x" * 1025)
        ),
        *(
            (
                pod(
                    CONTAINER,
                    volumes=[
                        {
                            "name": "v",
                            "configMap": CONFIG_MAP | {"items": [{"key": "k", "path": path}]},
                        }
                    ],
                ),
                "volumes[0].configMap.items[0].path",
            )
            for path in ("..", "a/../../b", "/etc/cron.d/x")
        ),
        (
            pod(
                CONTAINER,
                volumes=[
                    {
                        "name": "v",
                        "secret": {"secretName": "s", "items": [{"key": "../k", "path": "p"}]},
                    }
                ],
            ),
            "volumes[0].secret.items[0].key",
        ),
    ],
)
def test_names_that_reach_a_host_are_refused(given: dict[str, Any], place: str) -> None:
    refused = {field for _, field in fields("EdgeWorkload", workload(pod=given))}
    assert refused == {f"spec.pod.spec.{place}"}


@pytest.mark.parametrize("path", ["", ".", "a", "a/b/", "..a/...", ".config//x", "a..", "..."])
def test_paths_inside_a_volume_are_accepted(path: str) -> None:
    mount = {"name": "v", "mountPath": "/v", "subPath": path}
    image = "registry.example.com:5000/a/b_c@sha256:" + "0" * 64
    given = pod(
        {"name": "a-1", "image": image, "volumeMounts": [mount]},
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    assert fields("EdgeWorkload", workload(pod=given)) == set()


def test_every_crd_compiles() -> None:
    kinds = {crd["spec"]["names"]["kind"] for crd in crds.load()}
    for kind in kinds:
        assert schema(kind).admit({}) is not None
    assert len(kinds) == 7


def test_a_missing_container_port_is_refused_with_its_path() -> None:
    causes = fields("EdgeWorkload", workload(pod=pod({"name": "a"}, {"name": "b", "ports": [{}]})))
    assert causes == {("FieldValueRequired", "spec.pod.spec.containers[1].ports[0].containerPort")}


def test_a_container_shares_no_name_with_an_init_container() -> None:
    same = workload(pod=pod({"name": "a"}, initContainers=[{"name": "a"}]))
    other = workload(pod=pod({"name": "a"}, initContainers=[{"name": "b"}]))
    assert fields("EdgeWorkload", same) == {("FieldValueInvalid", "spec.pod.spec")}
    assert fields("EdgeWorkload", other) == set()


@pytest.mark.parametrize(
    ("requirement", "valid"),
    [
        ({"key": "a", "operator": "In", "values": ["x"]}, True),
        ({"key": "a", "operator": "In", "values": []}, False),
        ({"key": "a", "operator": "NotIn"}, False),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "operator": "DoesNotExist", "values": ["x"]}, False),
    ],
)
def test_selector_values_fit_their_operator(requirement: dict[str, Any], valid: bool) -> None:
    causes = fields("EdgeWorkload", workload(deviceSelector={"matchExpressions": [requirement]}))
    assert (not causes) == valid


def test_a_device_names_its_bucket_or_claims_one() -> None:
    def device(**s3: Any) -> dict[str, Any]:
        return {"spec": {"storage": {"s3": s3}}}

    refused = {("FieldValueForbidden", "spec.storage.s3")}
    assert fields("EdgeDevice", device(createOBC=True, secretName="x")) == refused
    assert fields("EdgeDevice", device(createOBC=True, configMapName="x")) == refused
    assert fields("EdgeDevice", device(createOBC=True)) == set()
    assert fields("EdgeDevice", device(secretName="x", configMapName="y")) == set()


def test_a_playbook_configuration_needs_its_playbooks() -> None:
    assert fields("EdgeConfig", {}) == {("FieldValueRequired", "spec")}
    assert fields("EdgeConfig", {"spec": {}}) == {("FieldValueRequired", "spec.edgePlaybook")}


def test_errors_of_the_status_subresource_have_no_prefix_in_their_text() -> None:
    admission = schema("EdgeDevice").admit(
        {
            "spec": {"mounts": 5},
            "status": {"phase": 5, "workloads": [{"name": "a", "filesUp": 1.5}]},
        },
        "status",
    )
    texts = {cause.field: cause.message for cause in admission.causes[:3]}
    wrong = 'Invalid value: "integer": phase in body must be of type string: "integer"'
    assert texts["status.phase"] == wrong
    assert texts["status.workloads[0].filesUp"].split(": ")[2].startswith("workloads[0].filesUp in")
    assert texts["<nil>"].endswith("with format int64 in workloads[0].filesUp")


def test_metadata_is_left_to_the_engine() -> None:
    metadata = {"name": "x", "bogus": None}
    admission = schema("EdgeDevice").admit({"metadata": metadata})
    assert admission.obj["metadata"] == metadata
    assert admission.unknown == []


def test_the_given_object_stays_as_it_is() -> None:
    given = workload(metrics={}, bogus=1, pod=pod({"name": "a", "ports": [{"containerPort": 80}]}))
    before = json.dumps(given)
    schema("EdgeWorkload").admit(given)
    assert json.dumps(given) == before


def test_a_list_is_not_a_date() -> None:
    causes = fields("EdgeDevice", {"spec": {"requestTime": ["2026-01-01T00:00:00Z"]}})
    assert causes == {("FieldValueTypeInvalid", "spec.requestTime")}


@pytest.mark.parametrize(
    ("rule", "type_", "right", "wrong"),
    [
        ("false", "object", [None], [{}, {"a": 1}]),
        ("self", "boolean", [True], [False]),
        ("!self", "boolean", [False], [True]),
        (
            "[has(self.a), has(self.b)].filter(is_set, is_set).size() <= 1",
            "object",
            [{}, {"a": 1}, {"b": 1, "c": 1}],
            [{"a": 1, "b": 0}],
        ),
        (
            "[has(self.a), has(self.b)].filter(is_set, is_set).size() == 1",
            "object",
            [{"a": 1}, {"b": 0, "c": 1}],
            [{}, {"c": 1}, {"a": 1, "b": 1}],
        ),
        ("size(self) == 0", "array", [[]], [["a"]]),
        ("size(self) == 0", "object", [{}], [{"a": 1}]),
        ("self in ['', 'a.b']", "string", ["", "a.b"], ["a", "b"]),
        ("self >= 1 && self <= 20", "integer", [1, 20], [0, 21, -5]),
        ("self in [0, 2]", "integer", [0, 2], [1]),
        ("self.matches('^(a\\\\.b|c)$')", "string", ["a.b", "c"], ["axb", "c\n"]),
        ('self.matches("^it\'s$")', "string", ["it's"], ["its"]),
        ("self.all(key, key.matches('^a+$'))", "object", [{}, {"aa": 1}], [{"a": 1, "b": 1}]),
    ],
)
def test_rules_about_one_value(
    rule: str, type_: str, right: list[object], wrong: list[object]
) -> None:
    entry = {"rule": rule, "message": "not so", "reason": "FieldValueForbidden"}
    place = {"type": type_, "x-kubernetes-validations": [entry], "nullable": True}
    more = {"additionalProperties": {"type": "integer"}} if type_ == "object" else {}
    more |= {"items": {"type": "string"}} if type_ == "array" else {}
    made = StructuralSchema({"type": "object", "properties": {"a": place | more}})
    for value in right:
        assert made.admit({"a": value}).causes == []
    for value in wrong:
        (cause,) = made.admit({"a": value}).causes
        assert (cause.reason, cause.field) == ("FieldValueForbidden", "a")
        assert cause.message == "Forbidden: not so"
        assert made.admit({"a": value}, old={"a": value}).causes == []


def test_keywords_and_rules_that_are_not_understood_are_refused() -> None:
    with pytest.raises(SchemaError, match="multipleOf"):
        StructuralSchema({"type": "object", "properties": {"a": {"multipleOf": 2}}})
    with pytest.raises(UnknownRuleError):
        StructuralSchema({"x-kubernetes-validations": [{"rule": "true", "message": "m"}]})


def test_admission_of_a_workload_takes_less_than_five_milliseconds() -> None:
    given = workload(
        deviceSelector={"matchLabels": {"app": "x"}},
        pod=pod(*({"name": f"c{i}", "ports": [{"containerPort": 80 + i}]} for i in range(10))),
    )
    schema("EdgeWorkload")
    started = time.process_time()
    for _ in range(100):
        schema("EdgeWorkload").admit(given)
    assert (time.process_time() - started) / 100 < 0.005
