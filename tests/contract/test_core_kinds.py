"""What Secrets, ConfigMaps, Events and Leases accept and refuse."""

from __future__ import annotations

from typing import Any

import pytest

from contract.api import STRATEGIC, Api, config_map, core

SIX_DIGITS = "2026-01-01T00:00:00.000000Z"
REQUIRED, INVALID, LONG = "FieldValueRequired", "FieldValueInvalid", "FieldValueTooLong"
EVENT = {
    "eventTime": SIX_DIGITS,
    "reportingComponent": "flotta.example.com/test",
    "reportingInstance": "test-1",
    "action": "Testing",
    "reason": "Tested",
}


def event(namespace: str, **fields: Any) -> dict[str, Any]:
    involved = {"kind": "EdgeDevice", "name": "d", "namespace": namespace, "uid": "u1"}
    return {"metadata": {"generateName": "e-"}, "involvedObject": involved, **fields}


def leases(namespace: str, name: str = "") -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}".rstrip("/")


@pytest.mark.parametrize(
    ("fields", "causes"),
    [
        ({"message": "ü" * 513}, {(INVALID, "message")}),  # 1026 bytes
        ({"reportingInstance": "x" * 129}, {(INVALID, "reportingInstance")}),
        ({"action": "x" * 129}, {(INVALID, "action")}),
        ({"reason": "x" * 129}, {(INVALID, "reason")}),
        ({"reportingComponent": "not qualified"}, {(INVALID, "reportingComponent")}),
        ({"action": "", "reason": ""}, {(REQUIRED, "action"), (REQUIRED, "reason")}),
        ({"involvedObject": {"name": "d"}}, {(INVALID, "involvedObject.namespace")}),
    ],
)
def test_events_with_a_time_are_checked(
    api: Api, namespace: str, fields: dict[str, Any], causes: set[tuple[str, str]]
) -> None:
    response = api.post(core(namespace, "events"), event(namespace, **EVENT | fields))
    assert (response.status, response.causes) == (422, causes)


def test_events_name_the_namespace_of_their_object(api: Api, namespace: str) -> None:
    elsewhere = event("elsewhere", reason="R")
    response = api.post(core(namespace, "events"), elsewhere)
    assert response.causes == {(INVALID, "involvedObject.namespace")}
    assert api.post(core(namespace, "events"), elsewhere | EVENT).status == 201
    nowhere = {"metadata": {"generateName": "e-"}, "involvedObject": {"name": namespace}}
    assert api.post(core(namespace, "events"), nowhere).status == 422
    assert api.post(core("default", "events"), nowhere).status == 201


def test_a_series_of_events_is_patched(api: Api, namespace: str) -> None:
    created = api.create(core(namespace, "events"), event(namespace, **EVENT, message="m"))
    path = core(namespace, "events", created["metadata"]["name"])
    patch = {"count": 2, "lastTimestamp": "2026-01-01T00:00:01Z"}
    patched = api.request("PATCH", path, patch, STRATEGIC).body
    assert (patched["count"], patched["lastTimestamp"]) == (2, "2026-01-01T00:00:01Z")
    assert api.merge(path, {"message": "y" * 1025}).causes == {(INVALID, "message")}
    fresh = event(namespace, **EVENT) | {"metadata": {"name": "new"}}
    assert api.put(core(namespace, "events", "new"), fresh).status == 201


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("involvedObject.uid=u1", 1),
        ("involvedObject.kind=EdgeDevice,involvedObject.name=d,type=Warning", 1),
        ("reason!=Tested", 0),
        ("reportingComponent=flotta.example.com/test", 1),
        ("source=x", 0),
    ],
)
def test_events_are_found_by_their_fields(
    api: Api, namespace: str, selector: str, found: int
) -> None:
    path = core(namespace, "events")
    api.create(path, event(namespace, **EVENT, type="Warning"))
    query = selector.replace("=", "%3D").replace("!", "%21")
    assert len(api.get(f"{path}?fieldSelector={query}").body["items"]) == found
    assert api.get(f"{path}?fieldSelector=involvedObject.foo%3Dx").status == 400


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"leaseDurationSeconds": 0}, "spec.leaseDurationSeconds"),
        ({"leaseTransitions": -1}, "spec.leaseTransitions"),
    ],
)
def test_numbers_of_leases_are_checked(
    api: Api, namespace: str, spec: dict[str, Any], field: str
) -> None:
    response = api.post(leases(namespace), {"metadata": {"name": "l"}, "spec": spec})
    assert (response.status, response.causes) == (422, {(INVALID, field)})


def test_only_one_of_two_candidates_gets_a_lease(api: Api, namespace: str) -> None:
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": SIX_DIGITS}
    seen = api.create(leases(namespace), {"metadata": {"name": "l"}, "spec": spec})
    first = api.put(leases(namespace, "l"), seen | {"spec": spec | {"holderIdentity": "b"}})
    second = api.put(leases(namespace, "l"), seen | {"spec": spec | {"holderIdentity": "c"}})
    assert (first.status, second.status) == (200, 409)
    assert api.get(leases(namespace, "l")).body["spec"]["holderIdentity"] == "b"


@pytest.mark.parametrize(
    ("kind", "data", "causes"),
    [
        ("kubernetes.io/dockerconfigjson", {}, {(REQUIRED, "data[.dockerconfigjson]")}),
        (
            "kubernetes.io/dockerconfigjson",
            {".dockerconfigjson": "eA=="},
            {(INVALID, "data[.dockerconfigjson]")},
        ),
        (
            "kubernetes.io/dockerconfigjson",
            {".dockerconfigjson": "W1tb" * 5000},  # 15,000 brackets
            {(INVALID, "data[.dockerconfigjson]")},
        ),
        (
            "kubernetes.io/basic-auth",
            {},
            {(REQUIRED, "data[username]"), (REQUIRED, "data[password]")},
        ),
        ("kubernetes.io/ssh-auth", {}, {(REQUIRED, "data[ssh-privatekey]")}),
        (
            "kubernetes.io/service-account-token",
            {},
            {(REQUIRED, "metadata.annotations[kubernetes.io/service-account.name]")},
        ),
        ("Opaque", {"a/b": "eA=="}, {(INVALID, "data[a/b]")}),
        ("Opaque", {"..": "eA=="}, {(INVALID, "data[..]")}),
        ("Opaque", {"a": "eHh4" * 400_000}, {(LONG, "data")}),
    ],
)
def test_secrets_are_checked_by_their_type(
    api: Api, namespace: str, kind: str, data: dict[str, str], causes: set[tuple[str, str]]
) -> None:
    body = {"metadata": {"name": "s"}, "type": kind, "data": data}
    response = api.post(core(namespace, "secrets"), body)
    assert (response.status, response.causes) == (422, causes)


def test_a_tls_secret_without_a_certificate_causes_a_warning(api: Api, namespace: str) -> None:
    body = {"metadata": {"name": "s"}, "type": "kubernetes.io/tls"}
    body["data"] = {"tls.crt": "eA==", "tls.key": "eA=="}
    response = api.post(core(namespace, "secrets"), body)
    assert response.status == 201
    assert response.warnings == ['299 - "tls: failed to find any PEM data in certificate input"']


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": {"k": "v"}, "binaryData": {"k": "eA=="}}, "data[k]"),
        ({"data": {"..": "v"}}, "data[..]"),
        ({"data": {"a": "x" * 1_048_577}}, "[]"),
    ],
)
def test_config_maps_are_checked(
    api: Api, namespace: str, body: dict[str, Any], field: str
) -> None:
    response = api.post(core(namespace, "configmaps"), {"metadata": {"name": "c"}} | body)
    assert response.status == 422
    assert {cause_field for _, cause_field in response.causes} == {field}


def test_finalizers_of_core_kinds_need_a_domain(api: Api, namespace: str) -> None:
    response = api.post(core(namespace, "configmaps"), config_map("c", finalizers=["plain"]))
    assert response.causes == {(INVALID, "metadata.finalizers[0]")}


def test_owners_merge_by_their_uid_in_strategic_patches(api: Api, namespace: str) -> None:
    one = {"apiVersion": "v1", "kind": "Secret", "name": "one", "uid": "u1"}
    two = one | {"name": "two", "uid": "u2"}
    holder = api.create(core(namespace, "secrets"), {"metadata": {"name": "real"}})
    real = one | {"name": "real", "uid": holder["metadata"]["uid"]}
    path = core(namespace, "configmaps", "c")
    api.create(core(namespace, "configmaps"), config_map("c", ownerReferences=[real]))
    patch = {"metadata": {"ownerReferences": [two, {"$patch": "delete", "uid": "nobody"}]}}
    body = api.request("PATCH", f"{path}?dryRun=All", patch, STRATEGIC).body
    assert {owner["uid"] for owner in body["metadata"]["ownerReferences"]} == {"u2", real["uid"]}


@pytest.mark.parametrize(
    ("owner", "field"),
    [
        ({"apiVersion": ""}, "metadata.ownerReferences.apiVersion"),
        ({"apiVersion": "a/b/c"}, "metadata.ownerReferences.apiVersion"),
        ({"uid": ""}, "metadata.ownerReferences.uid"),
        ({"kind": "Event"}, "metadata.ownerReferences"),
    ],
)
def test_owners_are_checked(api: Api, namespace: str, owner: dict[str, Any], field: str) -> None:
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"} | owner
    response = api.post(core(namespace, "configmaps"), config_map("c", ownerReferences=[whole]))
    assert response.status == 422
    assert {cause_field for _, cause_field in response.causes} == {field}


def test_an_object_has_at_most_one_controller(api: Api, namespace: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "controller": True}
    owners = [owner | {"name": name, "uid": name} for name in ("x", "y")]
    response = api.post(core(namespace, "configmaps"), config_map("c", ownerReferences=owners))
    assert (response.status, response.causes) == (422, {(INVALID, "metadata.ownerReferences")})
    owners[0]["controller"] = "yes"
    response = api.post(core(namespace, "configmaps"), config_map("c", ownerReferences=owners))
    assert response.status == 400


def test_a_namespace_needs_a_name(api: Api) -> None:
    response = api.post("/api/v1/namespaces", {})
    assert (response.status, response.causes) == (422, {(REQUIRED, "metadata.name")})
