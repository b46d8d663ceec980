"""Create, update, patch: resourceVersion, generation, server-owned fields, content types."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from .api import APPLY, JSON_PATCH, STRATEGIC, Api, config_map, core, device, devices


def test_unchanged_put_changes_nothing(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d", {"heartbeat": {"periodSeconds": 5}}))
    with api.watch(
        devices(namespace), f"resourceVersion={obj['metadata']['resourceVersion']}"
    ) as w:
        answer = api.put(devices(namespace, "d"), obj)
        assert (answer.status, answer.body) == (200, obj)
        api.create(devices(namespace), device("later"))
        assert w.next()["object"]["metadata"]["name"] == "later"


@pytest.mark.parametrize(
    "patch",
    [{}, {"spec": {"heartbeat": {"periodSeconds": 5}}}, {"spec": {"pruned": 1}}],
)
def test_patch_with_equal_values_changes_nothing(api: Api, namespace: str, patch: object) -> None:
    obj = api.create(devices(namespace), device("d", {"heartbeat": {"periodSeconds": 5}}))
    with api.watch(
        devices(namespace), f"resourceVersion={obj['metadata']['resourceVersion']}"
    ) as w:
        for path in (devices(namespace, "d"), devices(namespace, "d") + "/status"):
            assert api.merge(f"{path}?fieldManager=other", patch).body == obj
        api.create(devices(namespace), device("later"))
        assert w.next()["object"]["metadata"]["name"] == "later"


def test_generation_follows_spec_only(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    label = api.merge(devices(namespace, "d"), {"metadata": {"labels": {"a": "b"}}}).body
    spec = api.merge(devices(namespace, "d"), {"spec": {"heartbeat": {"periodSeconds": 5}}}).body
    status = api.merge(devices(namespace, "d") + "/status", {"status": {"phase": "up"}}).body
    assert [one["metadata"]["generation"] for one in (label, spec, status)] == [1, 2, 2]
    versions = [int(one["metadata"]["resourceVersion"]) for one in (label, spec, status)]
    assert versions == sorted(set(versions))


def test_put_without_version(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    answer = api.put(devices(namespace, "d"), device("d"))
    assert answer.status == 422
    assert answer.causes == {("FieldValueInvalid", "metadata.resourceVersion")}
    api.create(core(namespace, "configmaps"), config_map("c"))
    answer = api.put(core(namespace, "configmaps", "c"), config_map("c", {"a": "b"}))
    assert answer.status == 200


def test_stale_version_conflicts(api: Api, namespace: str) -> None:
    old = api.create(devices(namespace), device("d"))
    new = api.merge(devices(namespace, "d"), {"metadata": {"labels": {"a": "b"}}}).body
    for answer in (
        api.put(devices(namespace, "d"), old),
        api.merge(
            devices(namespace, "d"),
            {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "spec": {}},
        ),
    ):
        assert (answer.status, answer.body["reason"]) == (409, "Conflict")
        assert answer.body["message"] == (
            'Operation cannot be fulfilled on edgedevices.management.project-flotta.io "d": the '
            "object has been modified; please apply your changes to the latest version and try again"
        )
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    assert api.json_patch(devices(namespace, "d"), test).status == 422
    assert api.get(devices(namespace, "d")).body == new


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


def test_server_owned_fields_are_the_servers(api: Api, namespace: str) -> None:
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
    answer = api.post(devices(namespace), body, {"Content-Type": "application/yaml"})
    assert answer.status == 201
    assert answer.body["metadata"]["annotations"] == {"when": "2026-01-01T00:00:00Z"}


def test_strategic_patch_is_for_core_kinds(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    answer = api.request("PATCH", devices(namespace, "d"), {}, STRATEGIC)
    assert answer.status == 415
    assert answer.body["message"].endswith(
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    api.create(core(namespace, "configmaps"), config_map("c", finalizers=["a.b/one"]))
    patch = {"metadata": {"finalizers": ["a.b/two"]}, "data": {"a": "b"}}
    body = api.request("PATCH", core(namespace, "configmaps", "c"), patch, STRATEGIC).body
    assert set(body["metadata"]["finalizers"]) == {"a.b/one", "a.b/two"}
    drop = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/one", "a.b/two"]}}
    body = api.request("PATCH", core(namespace, "configmaps", "c"), drop, STRATEGIC).body
    assert "finalizers" not in body["metadata"]


def test_bodies_without_head_are_for_core_kinds(api: Api, namespace: str) -> None:
    api.create(core(namespace, "configmaps"), {"metadata": {"name": "c"}})
    answer = api.post(devices(namespace), {"metadata": {"name": "d"}})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
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
    answer = api.post(devices(namespace), device("d") | {"metadata": metadata})
    assert answer.status == 422
    assert {cause_field for _, cause_field in answer.causes} - {"<nil>"} == {field}


def test_wrong_type_in_metadata_is_a_bad_request(api: Api, namespace: str) -> None:
    answer = api.post(devices(namespace), device("d", labels={"a": 1}))
    assert answer.status == 400
    assert "cannot unmarshal number" in answer.body["message"]


def test_limits(api: Api, namespace: str) -> None:
    large = b'{"x":"' + b"a" * (3 * 1024 * 1024) + b'"}'
    answer = api.post(devices(namespace), large)
    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")
    answer = api.post(devices(namespace), device("d", annotations={"a": "x" * 256 * 1024}))
    assert answer.causes == {
        ("FieldValueTooLong", "metadata.annotations"),
        ("FieldValueInvalid", "<nil>"),  # the rules of the schema were not looked at
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
    with api.watch(devices(namespace), f"resourceVersion={before}&timeoutSeconds=1") as watch:
        assert [event["type"] for event in watch.rest()] == ["ADDED"]


def test_bad_json_and_bad_patches(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    answer = api.post(devices(namespace), b"{bad")
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert "couldn't get version/kind; json parse error" in answer.body["message"]
    assert api.merge(devices(namespace, "d"), [1]).status == 400
    assert api.request("PATCH", devices(namespace, "d"), {"a": 1}, JSON_PATCH).status == 400
    missing = {"op": "add", "path": "/metadata/labels/x", "value": "y"}
    assert api.json_patch(devices(namespace, "d"), missing).status == 422
    assert api.request("PATCH", devices(namespace, "d"), {}, APPLY).status == 422


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({"kind": "Wrong"}, 422),
        ({"apiVersion": "v1"}, 422),
        ({"metadata": None}, 400),
        ({"metadata": {"name": "other"}}, 400),
        ({"metadata": {"namespace": "other"}}, 400),
        ({"spec": "text"}, 422),
        ({"metadata": {"creationTimestamp": None, "generation": 99, "uid": None}}, 200),
    ],
)
def test_a_patch_keeps_the_head_of_an_object(
    api: Api, namespace: str, patch: object, status: int
) -> None:
    obj = api.create(devices(namespace), device("d"))
    assert api.merge(devices(namespace, "d"), patch).status == status
    assert api.get(devices(namespace, "d")).body == obj


def test_operations_of_json_patches(api: Api, namespace: str) -> None:
    path = devices(namespace, "d")
    api.create(devices(namespace), device("d", labels={"a": "b"}))
    body = api.json_patch(
        path,
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "copy", "from": "/metadata/labels", "path": "/metadata/annotations"},
        {"op": "add", "path": "/metadata/annotations/x~1y", "value": "z"},
        {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c"},
        {"op": "add", "path": "/metadata/finalizers", "value": ["a.b/one"]},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "a.b/two"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ).body
    assert body["metadata"]["annotations"] == {"a": "b", "x/y": "z"}
    assert body["metadata"]["labels"] == {"c": "b"}
    assert body["metadata"]["finalizers"] == ["a.b/two"]
    for operation in (
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/nothing/deeper", "value": 1},
        {"op": "test", "path": "/spec/nothing/deeper", "value": None},
        {"op": "unknown", "path": "/spec"},
        {"op": "remove", "path": "/metadata/finalizers/7"},
    ):
        assert api.json_patch(path, operation).status == 422
    added = {"op": "replace", "path": "/metadata/labels/new", "value": "x"}
    assert api.json_patch(path, added).body["metadata"]["labels"] == {"c": "b", "new": "x"}
    many = [{"op": "test", "path": "/kind", "value": "EdgeDevice"}] * 10_001
    assert api.json_patch(path, *many).status == 413
    api.json_patch(path, {"op": "remove", "path": "/metadata/finalizers"})


def test_versions_in_reads_of_one_object(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    for version in ("0", "1", obj["metadata"]["resourceVersion"]):
        assert api.get(f"{path}?resourceVersion={version}").body == obj
    assert api.get(f"{path}?resourceVersion=abc").status == 500
    future = api.get(f"{path}?resourceVersion=99999999")
    assert (future.status, future.body["reason"]) == (504, "Timeout")


def test_name_in_a_put_is_compared_first(api: Api, namespace: str) -> None:
    answer = api.put(devices(namespace, "absent"), device("other"))
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


def test_options_are_checked(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    for query in (
        "dryRun=Bogus",
        "fieldValidation=Bogus",
        f"fieldManager={'x' * 129}",
        "force=true",
    ):
        answer = api.merge(f"{path}?{query}", {})
        assert (answer.status, answer.body["details"]["kind"]) == (422, "PatchOptions")
        assert {field for _, field in answer.causes} == {query.partition("=")[0]}


def test_two_writers_of_one_version(api: Api, namespace: str) -> None:
    seen = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    first = api.put(path, seen | {"spec": {"heartbeat": {"periodSeconds": 1}}})
    second = api.put(path, seen | {"spec": {"heartbeat": {"periodSeconds": 2}}})
    assert (first.status, second.status) == (200, 409)


def test_existing_and_missing_objects(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    again = api.post(devices(namespace), device("d"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    answer = api.get(devices(namespace, "no"))
    assert answer.body["message"] == 'edgedevices.management.project-flotta.io "no" not found'
    assert answer.body["details"] == {
        "name": "no",
        "group": "management.project-flotta.io",
        "kind": "edgedevices",
    }
    answer = api.post(devices("nons"), device("d"))
    assert (answer.status, answer.body["message"]) == (404, 'namespaces "nons" not found')
    assert api.get(devices("nons")).body["items"] == []


def test_two_clients_increment_one_object_without_losing_any(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "counter")
    api.create(core(namespace, "configmaps"), config_map("counter", {"n": "0"}))
    counts: list[int] = []

    def increment() -> None:
        connection = api.connect()

        def call(method: str, body: str | None = None) -> tuple[int, Any]:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

        conflicts = done = 0
        while done < 200:
            _, obj = call("GET")
            obj["data"]["n"] = str(int(obj["data"]["n"]) + 1)
            status, _ = call("PUT", json.dumps(obj))
            assert status in (200, 409)
            done += status == 200
            conflicts += status == 409
        counts.append(conflicts)
        connection.close()

    threads = [threading.Thread(target=increment) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.get(path).body["data"]["n"] == "400"
    assert len(counts) == 2
    assert sum(counts) > 0
