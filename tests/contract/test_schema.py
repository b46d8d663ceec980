"""Schemas: pruning, defaults, refusals with exact fields, fieldValidation."""

from __future__ import annotations

from typing import Any

import pytest

from contract.api import GROUP, Api, config_map, core, device, devices

UNKNOWN = {"bogus": 1, "heartbeat": {"periodSeconds": 5, "nope": True}}


def test_unknown_fields_are_pruned_with_one_warning_each(api: Api, namespace: str) -> None:
    response = api.post(devices(namespace), device("d", UNKNOWN))
    assert response.body["spec"] == {"heartbeat": {"periodSeconds": 5}}
    assert sorted(response.warnings) == [
        r'299 - "unknown field \"spec.bogus\""',
        r'299 - "unknown field \"spec.heartbeat.nope\""',
    ]


def test_field_validation(api: Api, namespace: str) -> None:
    path = devices(namespace)
    assert api.post(f"{path}?fieldValidation=Ignore", device("ignored", UNKNOWN)).warnings == []
    strict = api.post(f"{path}?fieldValidation=Strict", device("strict", UNKNOWN))
    assert (strict.status, strict.body["reason"]) == (400, "BadRequest")
    # There are no causes; the message, which kubectl prints, must name the fields.
    for field in ('"spec.bogus"', '"spec.heartbeat.nope"'):
        assert f"unknown field {field}" in strict.body["message"]
    patch = api.merge(f"{devices(namespace, 'ignored')}?fieldValidation=Strict", {"spec": UNKNOWN})
    assert (patch.status, patch.causes) == (422, {("FieldValueInvalid", "patch")})
    assert 'unknown field "spec.bogus"' in patch.body["message"]
    warned = api.post(f"{path}?fieldValidation=Warn", device("warned", UNKNOWN))
    assert (warned.status, len(warned.warnings)) == (201, 2)
    patch = api.merge(f"{devices(namespace, 'ignored')}?fieldValidation=Warn", {"spec": UNKNOWN})
    assert (patch.status, len(patch.warnings)) == (200, 2)
    assert api.post(f"{path}?fieldValidation=Bogus", device("x")).status == 422
    assert api.get(devices(namespace, "strict")).status == 404


def test_duplicate_fields_are_detected(api: Api, namespace: str) -> None:
    body = (
        b'{"apiVersion":"management.project-flotta.io/v1alpha1","kind":"EdgeDevice",'
        b'"metadata":{"name":"d"},"spec":{"heartbeat":{"periodSeconds":1,"periodSeconds":2}}}'
    )
    response = api.post(devices(namespace), body)
    assert response.warnings == [r'299 - "duplicate field \"spec.heartbeat.periodSeconds\""']
    core_map = b'{"metadata":{"name":"c"},"data":{"a":"1","a":"2"},"top":1}'
    response = api.post(core(namespace, "configmaps") + "?fieldValidation=Strict", core_map)
    assert (response.status, response.body["reason"]) == (400, "BadRequest")
    for problem in ('duplicate field "data.a"', 'unknown field "top"'):
        assert problem in response.body["message"]


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        ({"metrics": {"system": {}}}, {"metrics": {"system": {"interval": 60}}}),
        ({"metrics": {"system": {"interval": None}}}, {"metrics": {"system": {"interval": 60}}}),
        ({"heartbeat": {"periodSeconds": 2.0}}, {"heartbeat": {"periodSeconds": 2}}),
        ({"heartbeat": {"periodSeconds": 1e3}}, {"heartbeat": {"periodSeconds": 1000}}),
    ],
)
def test_defaults_and_numbers(api: Api, namespace: str, spec: Any, stored: Any) -> None:
    assert api.create(devices(namespace), device("d", spec))["spec"] == stored


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            {"heartbeat": {"periodSeconds": 1.5}},
            ("FieldValueTypeInvalid", "spec.heartbeat.periodSeconds"),
        ),
        (
            {"metrics": {"system": {"interval": -1}}},
            ("FieldValueInvalid", "spec.metrics.system.interval"),
        ),
        (
            {"logCollection": {"s1": {"kind": "bad"}}},
            ("FieldValueNotSupported", "spec.logCollection.s1.kind"),
        ),
        (
            {"metrics": {"system": {"allowList": {}}}},
            ("FieldValueRequired", "spec.metrics.system.allowList.name"),
        ),
        ({"mounts": [{"device": 1}]}, ("FieldValueTypeInvalid", "spec.mounts[0].device")),
        ({"requestTime": "not-a-date"}, ("FieldValueTypeInvalid", "spec.requestTime")),
    ],
)
def test_every_error_names_its_field(
    api: Api, namespace: str, spec: Any, cause: tuple[str, str]
) -> None:
    response = api.post(devices(namespace), device("d", spec))
    assert (response.status, response.body["reason"]) == (422, "Invalid")
    assert cause in response.causes
    details = {"name": "d", "group": "management.project-flotta.io", "kind": "EdgeDevice"}
    assert details.items() <= response.body["details"].items()


@pytest.mark.parametrize("interval", [2**31, 2**40])
def test_a_number_too_large_for_its_format_is_refused(
    api: Api, namespace: str, interval: int
) -> None:
    spec = {"metrics": {"system": {"interval": interval}}}
    response = api.post(devices(namespace), device("d", spec))
    assert (response.status, response.causes) == (422, {("FieldValueInvalid", "<nil>")})
    assert "spec.metrics.system.interval" in response.body["message"]  # the cause names no field
    spec = {"metrics": {"system": {"interval": 2**31 - 1}}}
    assert api.create(devices(namespace), device("d", spec))["spec"] == spec


def test_all_errors_are_reported_at_once(api: Api, namespace: str) -> None:
    spec = {"requestTime": "x", "mounts": [{"device": 1}], "metrics": {"system": {"interval": -1}}}
    causes = api.post(devices(namespace), device("d", spec)).causes
    fields = {field for _, field in causes} - {"<nil>"}
    assert fields == {"spec.requestTime", "spec.mounts[0].device", "spec.metrics.system.interval"}


WORKLOADS = "{}/namespaces/{}/edgeworkloads"


def workload(**spec: Any) -> dict[str, Any]:
    pod = {"spec": {"containers": [{"name": "a", "image": "x"}]}}
    return {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeWorkload",
        "metadata": {"name": "w"},
        "spec": {"type": "pod", "pod": pod, **spec},
    }


def host_names(
    image: str = "x", volume: str = "v", key: str = "k", path: str = "p", sub_path: str = ""
) -> dict[str, Any]:
    mount = {"name": "v", "mountPath": "/v", "subPath": sub_path}
    source = {"name": "settings", "items": [{"key": key, "path": path}]}
    containers = [{"name": "a", "image": image, "volumeMounts": [mount]}]
    volumes = [{"name": volume, "configMap": source}]
    return {"pod": {"spec": {"containers": containers, "volumes": volumes}}}


def requirement(**parts: Any) -> dict[str, Any]:
    return {"deviceSelector": {"matchExpressions": [{"key": "a"} | parts]}}


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            requirement(operator="In"),
            ("FieldValueInvalid", "spec.deviceSelector.matchExpressions[0]"),
        ),
        (
            requirement(operator="Exists", values=["x"]),
            ("FieldValueInvalid", "spec.deviceSelector.matchExpressions[0]"),
        ),
        (
            requirement(operator="In", values=["x", "north east"]),
            ("FieldValueInvalid", "spec.deviceSelector.matchExpressions[0].values[1]"),
        ),
        (
            requirement(operator="Exists", key="-a"),
            ("FieldValueInvalid", "spec.deviceSelector.matchExpressions[0].key"),
        ),
        (
            {"deviceSelector": {"matchLabels": {"site": "north east"}}},
            ("FieldValueInvalid", "spec.deviceSelector.matchLabels.site"),
        ),
        (
            {"deviceSelector": {"matchLabels": {"a site": "north"}}},
            ("FieldValueInvalid", "spec.deviceSelector.matchLabels"),
        ),
        (
            {"deviceSelector": {"matchLabels": {"site\n": "north"}}},
            ("FieldValueInvalid", "spec.deviceSelector.matchLabels"),
        ),
        (
            {"deviceSelector": {"matchLabels": {"site": "north\n"}}},
            ("FieldValueInvalid", "spec.deviceSelector.matchLabels.site"),
        ),
        (
            {
                "pod": {
                    "spec": {
                        "containers": [{"name": "a", "image": "x"}],
                        "initContainers": [{"name": "a", "image": "x"}],
                    }
                }
            },
            ("FieldValueInvalid", "spec.pod.spec"),
        ),
        (
            host_names(image="--tls-verify=false"),
            ("FieldValueInvalid", "spec.pod.spec.containers[0].image"),
        ),
        (
            host_names(volume="../../etc/cron.d"),
            ("FieldValueInvalid", "spec.pod.spec.volumes[0].name"),
        ),
        (
            host_names(path="a/../../b"),
            ("FieldValueInvalid", "spec.pod.spec.volumes[0].configMap.items[0].path"),
        ),
        (
            host_names(key="../k"),
            ("FieldValueInvalid", "spec.pod.spec.volumes[0].configMap.items[0].key"),
        ),
        (
            host_names(sub_path=".."),
            ("FieldValueInvalid", "spec.pod.spec.containers[0].volumeMounts[0].subPath"),
        ),
    ],
)
def test_rules_of_the_schema_name_the_object_that_breaks_them(
    api: Api, namespace: str, spec: dict[str, Any], cause: tuple[str, str]
) -> None:
    response = api.post(WORKLOADS.format(GROUP, namespace), workload(**spec))
    assert (response.status, response.causes) == (422, {cause})


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        ({"site": "x" * 64}, ("FieldValueTooLong", "spec.deviceSelector.matchLabels.site")),
        (
            {f"label-{number}": "" for number in range(65)},
            ("FieldValueTooMany", "spec.deviceSelector.matchLabels"),
        ),
    ],
)
def test_selectors_have_bounds(
    api: Api, namespace: str, labels: dict[str, str], cause: tuple[str, str]
) -> None:
    body = workload(deviceSelector={"matchLabels": labels})
    response = api.post(WORKLOADS.format(GROUP, namespace), body)
    assert response.causes == {cause, ("FieldValueInvalid", "<nil>")}


def test_a_selector_takes_every_label_that_a_device_can_have(api: Api, namespace: str) -> None:
    labels = {"a.b-c/D_e.f-9": "X_y.z-0", "x" * 63: "", f"{'a' * 253}/b": "v" * 63, "0": "1"}
    api.create(devices(namespace), device("d") | {"metadata": {"name": "d", "labels": labels}})
    selected = {"matchLabels": labels}
    api.create(WORKLOADS.format(GROUP, namespace), workload(deviceSelector=selected))


def test_a_rule_may_have_its_own_reason(api: Api, namespace: str) -> None:
    spec = {"storage": {"s3": {"createOBC": True, "secretName": "x"}}}
    response = api.post(devices(namespace), device("d", spec))
    assert response.causes == {("FieldValueForbidden", "spec.storage.s3")}
    spec["storage"]["s3"]["createOBC"] = False
    assert api.post(devices(namespace), device("d", spec)).status == 201


def test_rules_are_checked_only_without_other_errors(api: Api, namespace: str) -> None:
    """An error of the metadata counts as much as one of the schema."""
    spec = requirement(operator="In")
    body = workload(**spec) | {"metadata": {}}
    response = api.post(WORKLOADS.format(GROUP, namespace), body)
    assert response.causes == {
        ("FieldValueRequired", "metadata.name"),
        ("FieldValueInvalid", "<nil>"),
    }


def test_ports_are_unique(api: Api, namespace: str) -> None:
    ports = [{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]
    pod = {"spec": {"containers": [{"name": "a", "image": "x", "ports": ports}]}}
    response = api.post(WORKLOADS.format(GROUP, namespace), workload(pod=pod))
    field = "spec.pod.spec.containers[0].ports[1]"
    assert ("FieldValueDuplicate", field) in response.causes


def test_unknown_fields_are_reported_before_other_errors(api: Api, namespace: str) -> None:
    spec = {"bogus": 1, "heartbeat": {"periodSeconds": "often"}}
    strict = api.post(f"{devices(namespace)}?fieldValidation=Strict", device("d", spec))
    assert (strict.status, strict.body["reason"]) == (400, "BadRequest")
    refused = api.post(devices(namespace), device("d", spec))
    assert refused.status == 422
    assert refused.warnings == [r'299 - "unknown field \"spec.bogus\""']


def test_fields_are_found_in_lists_and_by_case(api: Api, namespace: str) -> None:
    body = workload()
    body["spec"]["pod"]["spec"]["containers"][0]["bogus"] = 1
    body["Spec"] = {}
    response = api.post(WORKLOADS.format(GROUP, namespace), body)
    assert sorted(response.warnings) == [
        r'299 - "unknown field \"Spec\""',
        r'299 - "unknown field \"spec.pod.spec.containers[0].bogus\""',
    ]


def test_nothing_is_added_to_a_parent_that_is_absent(api: Api, namespace: str) -> None:
    assert api.create(devices(namespace), device("a", {"metrics": {}}))["spec"] == {"metrics": {}}
    bare = device("b")
    del bare["spec"]
    assert "spec" not in api.create(devices(namespace), bare)


def test_pod_errors_name_the_port(api: Api, namespace: str) -> None:
    containers = [
        {"name": "a", "image": "x"},
        {"name": "b", "image": "x", "ports": [{"containerPort": "http"}]},
    ]
    workload = {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeWorkload",
        "metadata": {"name": "w"},
        "spec": {"type": "pod", "pod": {"spec": {"containers": containers}}},
    }
    path = f"{GROUP}/namespaces/{namespace}/edgeworkloads"
    response = api.post(path, workload)
    assert response.status == 422
    field = "spec.pod.spec.containers[1].ports[0].containerPort"
    assert ("FieldValueTypeInvalid", field) in response.causes
    containers[1]["ports"] = [{"containerPort": 80}]
    stored = api.create(path, workload)["spec"]["pod"]["spec"]["containers"][1]["ports"]
    assert stored == [{"containerPort": 80, "protocol": "TCP"}]


def test_status_is_validated_at_its_own_endpoint(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    response = api.merge(devices(namespace, "d") + "/status", {"status": {"phase": 5}})
    assert response.status == 422
    assert ("FieldValueTypeInvalid", "status.phase") in response.causes


def test_secrets(api: Api, namespace: str) -> None:
    path = core(namespace, "secrets")
    sent = {"metadata": {"name": "s"}, "data": {"a": "eA==", "b": None}, "stringData": {"a": "y"}}
    stored = api.create(path, sent)
    assert (stored["data"], stored["type"]) == ({"a": "eQ==", "b": ""}, "Opaque")
    assert "stringData" not in stored
    response = api.merge(f"{path}/s", {"type": "other"})
    assert (response.status, response.causes) == (422, {("FieldValueInvalid", "type")})
    response = api.post(path, {"metadata": {"name": "t"}, "data": {"a": "eA"}})
    assert (response.status, response.body["reason"]) == (400, "BadRequest")
    response = api.post(path, {"metadata": {"name": "t"}, "data": {"bad key!": "eA=="}})
    assert response.causes == {("FieldValueInvalid", "data[bad key!]")}
    response = api.post(path, {"metadata": {"name": "t"}, "type": "kubernetes.io/tls"})
    assert response.causes == {
        ("FieldValueRequired", "data[tls.crt]"),
        ("FieldValueRequired", "data[tls.key]"),
    }


def test_immutable_secret(api: Api, namespace: str) -> None:
    path = core(namespace, "secrets", "s")
    sent = {"metadata": {"name": "s"}, "data": {"a": "eA=="}, "immutable": True}
    api.create(core(namespace, "secrets"), sent)
    response = api.merge(path, {"data": {"a": "eQ=="}})
    assert (response.status, response.causes) == (422, {("FieldValueForbidden", "data")})
    assert api.merge(path, {"immutable": None}).status == 422
    assert api.merge(path, {"metadata": {"labels": {"a": "b"}}}).status == 200
    assert api.delete(path).status == 200


def test_config_map_values_are_strings(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    response = api.post(path, config_map("c") | {"data": {"a": 1}})
    assert (response.status, response.body["reason"]) == (400, "BadRequest")
    both = config_map("c", {"k": "v"}) | {"binaryData": {"k": "eA=="}}
    assert api.post(path, both).status == 422
    assert api.post(path, {"kind": "Secret", "apiVersion": "v1"}).status == 400


@pytest.mark.parametrize(
    ("time", "stored"),
    [
        ("2026-01-01T00:00:00Z", None),
        ("2026-01-01T00:00:00.123Z", None),
        ("2026-01-01T00:00:00+00:00", None),
        ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456Z"),
        ("2026-01-01T02:00:00.000000+02:00", "2026-01-01T00:00:00.000000Z"),
    ],
)
def test_micro_times_have_six_digits(
    api: Api, namespace: str, time: str, stored: str | None
) -> None:
    lease = {"metadata": {"name": "l"}, "spec": {"renewTime": time}}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    reporter = {"reportingComponent": "a.b/c", "reportingInstance": "i", "action": "A"}
    happened = event(namespace, eventTime=time, reason="R", **reporter)
    responses = [api.post(leases, lease), api.post(core(namespace, "events"), happened)]
    if stored is None:
        assert [response.status for response in responses] == [400, 400]
        assert {response.body["reason"] for response in responses} == {"BadRequest"}
    else:
        assert responses[0].body["spec"]["renewTime"] == stored
        assert responses[1].body["eventTime"] == stored


def event(namespace: str, **fields: Any) -> dict[str, Any]:
    involved = {"kind": "EdgeDevice", "name": "d", "namespace": namespace, "uid": "u1"}
    return {"metadata": {"generateName": "e-"}, "involvedObject": involved, **fields}


def test_events(api: Api, namespace: str) -> None:
    path = core(namespace, "events")
    stored = api.create(path, event(namespace, reason="R", type="Normal", message="m"))
    assert stored["eventTime"] is None
    assert stored["source"] == {}
    assert api.post(path, event("elsewhere")).status == 422
    strict = api.post(path, event(namespace, eventTime="2026-01-01T00:00:00.000000Z"))
    assert strict.status == 422
    listed = api.get(f"{path}?fieldSelector=involvedObject.uid%3Du1").body["items"]
    assert [obj["metadata"]["name"] for obj in listed] == [stored["metadata"]["name"]]
