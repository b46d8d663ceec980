"""Create and update: generation, server-owned fields, status, names, content types, limits."""

from __future__ import annotations

import pytest

from contract.api import Api, config_map, core, device, devices


def test_unchanged_put_changes_nothing(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d", {"heartbeat": {"periodSeconds": 5}}))
    with api.watch(
        devices(namespace), f"resourceVersion={obj['metadata']['resourceVersion']}"
    ) as w:
        response = api.put(devices(namespace, "d"), obj)
        assert (response.status, response.body) == (200, obj)
        api.create(devices(namespace), device("later"))
        assert w.next()["object"]["metadata"]["name"] == "later"


def test_generation_follows_spec_only(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    label = api.merge(devices(namespace, "d"), {"metadata": {"labels": {"a": "b"}}}).body
    spec = api.merge(devices(namespace, "d"), {"spec": {"heartbeat": {"periodSeconds": 5}}}).body
    status = api.merge(devices(namespace, "d") + "/status", {"status": {"phase": "up"}}).body
    assert [obj["metadata"]["generation"] for obj in (label, spec, status)] == [1, 2, 2]
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (label, spec, status)]
    assert versions == sorted(set(versions))


def test_put_creates_leases_but_not_config_maps(api: Api, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/l"
    lease = {"metadata": {"name": "l"}, "spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}
    assert api.put(path, lease).status == 201
    assert api.put(core(namespace, "configmaps", "c"), config_map("c")).status == 404


def test_status_endpoint_changes_only_status(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d", {"heartbeat": {"periodSeconds": 5}}))
    changed = device("d", {"heartbeat": {"periodSeconds": 9}}, labels={"x": "y"})
    changed["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
    body = api.put(devices(namespace, "d") + "/status", changed | {"status": {"phase": "up"}}).body
    assert body["spec"] == obj["spec"]
    assert "labels" not in body["metadata"]
    assert body["status"] == {"phase": "up"}


def test_main_endpoint_ignores_status(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d") | {"status": {"phase": "up"}})
    assert "status" not in obj
    assert "status" not in api.put(devices(namespace, "d"), obj | {"status": {"phase": "x"}}).body


def test_clients_cannot_set_fields_of_the_server(api: Api, namespace: str) -> None:
    sent = device(
        "d",
        uid="mine",
        creationTimestamp="2000-01-01T00:00:00Z",
        generation=77,
        deletionTimestamp="2000-01-01T00:00:00Z",
        selfLink="/x",
    )
    meta = api.create(devices(namespace), sent)["metadata"]
    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"] > "2026"
    assert meta["generation"] == 1
    assert not {"deletionTimestamp", "selfLink"} & set(meta)


def test_content_types_of_writes(api: Api, namespace: str) -> None:
    path = devices(namespace)
    assert api.post(path, device("none"), {}).status == 201
    assert api.post(path, device("text"), {"Content-Type": "text/plain"}).status == 415
    assert api.request("PATCH", devices(namespace, "none"), {}, {}).status == 415


def test_yaml_body(api: Api, namespace: str) -> None:
    body = (
        b"apiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDevice\n"
        b"metadata: {name: d, annotations: {when: 2026-01-01T00:00:00Z}}\n"
    )
    response = api.post(devices(namespace), body, {"Content-Type": "application/yaml"})
    assert response.status == 201
    assert response.body["metadata"]["annotations"] == {"when": "2026-01-01T00:00:00Z"}


def test_only_core_kinds_may_omit_api_version_and_kind(api: Api, namespace: str) -> None:
    api.create(core(namespace, "configmaps"), {"metadata": {"name": "c"}})
    response = api.post(devices(namespace), {"metadata": {"name": "d"}})
    assert (response.status, response.body["reason"]) == (400, "BadRequest")
    wrong = api.post(devices(namespace), device("d") | {"kind": "EdgeWorkload"})
    assert (wrong.status, wrong.causes) == (422, {("FieldValueInvalid", "kind")})


def test_generated_names(api: Api, namespace: str) -> None:
    sent = device("")
    sent["metadata"] = {"generateName": "gn-"}
    names = {api.create(devices(namespace), sent)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gn-") and len(name) == 8 for name in names)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"name": "Bad_Name"}, "metadata.name"),
        ({"name": "d", "labels": {"bad key!": "x"}}, "metadata.labels"),
        ({"name": "d", "labels": {"a": "x" * 64}}, "metadata.labels"),
        ({"name": "d", "finalizers": ["bad one/x"]}, "metadata.finalizers"),
        ({}, "metadata.name"),
    ],
)
def test_bad_metadata_is_refused(api: Api, namespace: str, metadata: object, field: str) -> None:
    response = api.post(devices(namespace), device("d") | {"metadata": metadata})
    assert response.status == 422
    assert {cause_field for _, cause_field in response.causes} - {"<nil>"} == {field}


def test_wrong_type_in_metadata_is_a_bad_request(api: Api, namespace: str) -> None:
    response = api.post(devices(namespace), device("d", labels={"a": 1}))
    assert (response.status, response.body["reason"]) == (400, "BadRequest")


def test_limits(api: Api, namespace: str) -> None:
    large = b'{"x":"' + b"a" * (3 * 1024 * 1024) + b'"}'
    response = api.post(devices(namespace), large)
    assert (response.status, response.body["reason"]) == (413, "RequestEntityTooLarge")
    response = api.post(devices(namespace), device("d", annotations={"a": "x" * 256 * 1024}))
    assert response.causes == {
        ("FieldValueTooLong", "metadata.annotations"),
        ("FieldValueInvalid", "<nil>"),  # the rules of the schema were not checked
    }


def test_dry_run_stores_nothing(api: Api, namespace: str) -> None:
    before = api.get(devices(namespace)).version
    created = api.post(devices(namespace) + "?dryRun=All", device("d")).body
    assert "uid" in created["metadata"]
    assert "resourceVersion" not in created["metadata"]
    obj = api.create(devices(namespace), device("e"))
    patched = api.merge(
        devices(namespace, "e") + "?dryRun=All", {"metadata": {"labels": {"a": "b"}}}
    )
    assert patched.body["metadata"]["labels"] == {"a": "b"}
    assert patched.version == obj["metadata"]["resourceVersion"]
    assert api.delete(devices(namespace, "e") + "?dryRun=All").body["status"] == "Success"
    assert api.get(devices(namespace, "e")).body == obj
    api.create(devices(namespace), device("last"))
    with api.watch(devices(namespace), f"resourceVersion={before}") as watch:
        shown = [(event["type"], event["object"]["metadata"]["name"]) for event in watch.take(2)]
    assert shown == [("ADDED", "e"), ("ADDED", "last")]


def test_name_in_a_put_is_compared_first(api: Api, namespace: str) -> None:
    response = api.put(devices(namespace, "absent"), device("other"))
    assert (response.status, response.body["reason"]) == (400, "BadRequest")


def test_options_are_checked(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    for query in (
        "dryRun=Bogus",
        "fieldValidation=Bogus",
        f"fieldManager={'x' * 129}",
        "force=true",
    ):
        response = api.merge(f"{path}?{query}", {})
        assert (response.status, response.body["details"]["kind"]) == (422, "PatchOptions")
        assert {field for _, field in response.causes} == {query.partition("=")[0]}


def test_existing_and_missing_objects(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    again = api.post(devices(namespace), device("d"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    response = api.get(devices(namespace, "no"))
    assert (response.status, response.body["reason"]) == (404, "NotFound")
    assert response.body["details"] == {
        "name": "no",
        "group": "management.project-flotta.io",
        "kind": "edgedevices",
    }
    response = api.post(devices("nons"), device("d"))
    assert (response.status, response.body["reason"]) == (404, "NotFound")
    assert response.body["details"] == {"name": "nons", "kind": "namespaces"}
    assert api.get(devices("nons")).body["items"] == []
