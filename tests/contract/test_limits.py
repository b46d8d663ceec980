"""What is too large, too deep or too much is refused by both engines, and soon."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from contract.api import Api, config_map, core, device, devices
from contract.engine import Engine

YAML = {"Content-Type": "application/yaml"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
MIB = 1024 * 1024


def alias_bomb() -> bytes:
    """Return 400 bytes of YAML whose value has 100 million texts."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, letter in zip("abcdefg", "bcdefgh", strict=True):
        lines.append(f"{letter}: &{letter} [{','.join([f'*{before}'] * 10)}]")
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="brackets"),
        pytest.param(b"a: " + b"{a: " * 50_000, id="braces"),
        pytest.param(alias_bomb(), id="aliases"),
    ],
)
def test_yaml_bombs_are_refused(api: Api, namespace: str, body: bytes) -> None:
    response = api.post(core(namespace, "configmaps"), body, YAML)
    assert (response.status, response.body["reason"]) == (400, "BadRequest")


def test_a_few_aliases_are_accepted(api: Api, namespace: str) -> None:
    body = b"metadata: {name: c, labels: &l {a: b}, annotations: *l}"
    created = api.post(core(namespace, "configmaps"), body, YAML)
    assert created.body["metadata"]["annotations"] == {"a": "b"}


def test_a_time_to_the_base_60_stays_text(api: Api, namespace: str) -> None:
    body = b"{metadata: {name: c}, data: {port: 22:22, long: " + b"1:" * 50_000 + b"1}}"
    assert api.post(core(namespace, "configmaps"), body, YAML).body["data"]["port"] == "22:22"


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
def test_deep_json_is_refused(api: Api, namespace: str, kind: str) -> None:
    path = core(namespace, "configmaps")
    api.create(path, config_map("c"))
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    headers = {"Content-Type": kind}
    if kind == "application/json":
        response = api.post(path, deep, headers)
    else:
        response = api.request("PATCH", f"{path}/c", deep, headers)
    assert (response.status, response.body["reason"]) == (400, "BadRequest")


def test_copies_of_a_json_patch_are_bounded(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    api.create(path, config_map("c", {"a": "x"}))
    copies = [{"op": "copy", "from": "/data", "path": f"/data/c{n}"} for n in range(40)]
    doubled = api.json_patch(f"{path}/c", *copies)
    assert (doubled.status, doubled.body["reason"]) == (422, "Invalid")
    large = {"op": "add", "path": "/data/b", "value": "x" * 600_000}
    copies = [{"op": "copy", "from": "/data/b", "path": f"/data/c{n}"} for n in range(10)]
    assert api.json_patch(f"{path}/c", large, *copies).status == 422
    assert api.get(f"{path}/c").body["data"] == {"a": "x"}


def test_operations_of_a_json_patch_are_bounded(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    api.create(path, config_map("c", {"a": "x"}))
    test = {"op": "test", "path": "/data/a", "value": "x"}
    refused = api.json_patch(f"{path}/c", *[test] * 10_001)
    assert (refused.status, refused.body["reason"]) == (413, "RequestEntityTooLarge")
    assert api.json_patch(f"{path}/c", *[test] * 1_000).status == 200


def test_a_body_is_at_most_3_mib(api: Api, namespace: str) -> None:
    body = json.dumps({**config_map("c"), "x": "y" * 3 * MIB}).encode()
    refused = api.post(core(namespace, "configmaps"), body)
    assert (refused.status, refused.body["reason"]) == (413, "RequestEntityTooLarge")


def notes(size: int) -> dict[str, Any]:
    """Return a device with about this many bytes in a field that has no limit of its own."""
    return {**device("d"), "metadata": {"name": "d", "ownerReferences": [owner(size)]}}


def owner(size: int) -> dict[str, str]:
    return {"apiVersion": "example.com/v1", "kind": "Owner", "name": "x" * size, "uid": "1"}


def test_an_object_is_at_most_about_1_5_mib(api: Api, namespace: str) -> None:
    refused = api.post(devices(namespace), notes(1_700_000))
    assert refused.status == 500
    assert "too large" in refused.body["message"]
    assert "reason" not in refused.body
    assert api.get(devices(namespace, "d")).status == 404
    assert api.post(devices(namespace), notes(1_400_000)).status == 201


@pytest.mark.parametrize("way", ["put", "merge", "json patch", "apply"])
def test_no_change_makes_an_object_too_large(api: Api, namespace: str, way: str) -> None:
    created = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    large = notes(1_700_000)
    large["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"]
    owners = large["metadata"]["ownerReferences"]
    if way == "put":
        refused = api.put(path, large)
    elif way == "merge":
        refused = api.merge(path, {"metadata": {"ownerReferences": owners}})
    elif way == "json patch":
        add = {"op": "add", "path": "/metadata/ownerReferences", "value": owners}
        refused = api.json_patch(path, add)
    else:
        refused = api.apply(path, large, "fieldManager=m")
    assert (refused.status, "reason" in refused.body) == (500, False)
    assert api.get(path).body == created


def test_the_owners_of_fields_are_bounded(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    api.create(path, config_map("c", {"a": "b"}))
    for number in range(14):
        change = {"data": {f"k{number}": "v"}}
        done = api.merge(f"{path}/c?fieldManager=m{number:02}", change)
        assert done.status == 200, done.content
    managers = [entry["manager"] for entry in done.body["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert {"ancient-changes", "m13"} <= set(managers)
    assert api.merge(f"{path}/c?fieldManager=m00", {"data": {"k1": "w"}}).body["data"]["k13"] == "v"


@pytest.mark.parametrize(
    "query",
    [
        "resourceVersion=" + "9" * 5000,
        "resourceVersion=%C2%B2",
        "limit=" + "9" * 5000,
        "limit=" + "9" * 30,
        "timeoutSeconds=" + "9" * 400,
        "continue=W1tbW1tb",
        "continue=" + "W1tb" * 1500,
        "continue=eyJydiI6MWU5OTksInN0YXJ0IjoiYS9iIn0",  # {"rv":1e999,"start":"a/b"}
    ],
)
def test_numbers_and_tokens_of_a_query_are_bounded(api: Api, namespace: str, query: str) -> None:
    refused = api.get(f"{core(namespace, 'configmaps')}?{query}")
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")


def test_a_merged_list_with_a_wrong_item_is_refused(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    api.create(path, config_map("c"))
    body = {"metadata": {"ownerReferences": ["x"]}}
    refused = api.request("PATCH", f"{path}/c", body, STRATEGIC)
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_namespaces_of_the_system_cannot_be_deleted(api: Api, name: str) -> None:
    refused = api.delete(f"/api/v1/namespaces/{name}")
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")


def test_odd_numbers_cause_no_server_error(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"))
    api.create(core("default", "configmaps"), config_map("numbers", {"a": "b"}))
    path = core("default", "configmaps", "numbers")
    added = {"op": "add", "path": "/x", "value": 1 << 70}
    copied = {"op": "copy", "from": "/x", "path": "/y"}
    assert api.json_patch(path, added, copied).status == 200  # pruned
    body = {"metadata": {"finalizers": [1 << 70]}}
    assert api.request("PATCH", path, body, STRATEGIC).status == 400
    token = b64encode(b'{"rv": 1e999, "start": "a/b"}').decode()
    assert api.get(f"{core('default', 'configmaps')}?continue={token}").status == 400
    assert "Traceback" not in embedded.log


def test_lists_of_metadata_and_selectors_are_bounded(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"))
    path = core("default", "configmaps")
    many = [{**owner(5), "uid": str(number)} for number in range(257)]
    refused = api.post(path, config_map("many", ownerReferences=many))
    assert refused.causes == {("FieldValueTooMany", "metadata.ownerReferences")}
    names = [f"example.com/f{number}" for number in range(257)]
    refused = api.post(path, config_map("many", finalizers=names))
    assert refused.causes == {("FieldValueTooMany", "metadata.finalizers")}
    for selector in ("labelSelector", "fieldSelector"):
        terms = ",".join(["metadata.name=x"] * 101)
        assert api.get(f"{path}?{selector}={quote(terms)}").status == 400
    values = ",".join(f"v{number}" for number in range(500))
    assert api.get(f"{path}?labelSelector={quote(f'a in ({values})')}").status == 200


def test_what_takes_long_for_each_item_is_bounded(embedded: Engine) -> None:
    """Kubernetes allows more; here everybody would wait for it."""
    api = Api(embedded.kubeconfig("admin"))
    path = core("default", "configmaps")
    api.create(path, config_map("bounded", {"a": "x"}))
    operation = {"op": "test", "path": "/data/a", "value": "x"}
    refused = api.json_patch(f"{path}/bounded", *[operation] * 1001)
    assert (refused.status, refused.body["reason"]) == (413, "RequestEntityTooLarge")
    for field in ("labels", "annotations"):
        many = {f"key{number}": "" for number in range(1001)}
        refused = api.post(path, config_map("many", **{field: many}))
        assert refused.causes == {("FieldValueTooMany", f"metadata.{field}")}
    keys = {f"k{number}": "" for number in range(10_000)}
    refused = api.apply(f"{path}/bounded", config_map("bounded", keys), "fieldManager=m")
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert api.get(f"{path}/bounded").body["data"] == {"a": "x"}
    assert api.post(path, config_map("large", keys)).status == 201


def test_a_repeated_key_among_many_is_found_soon(embedded: Engine) -> None:
    """Comparing each key with each other one took half an hour for this body."""
    api = Api(embedded.kubeconfig("admin"))
    keys = ",".join(f'"k{number}":""' for number in [*range(40_000), 1])
    body = f'{{"metadata":{{"name":"keys"}},"data":{{{keys}}}}}'.encode()
    created = api.post(core("default", "configmaps"), body)
    assert created.status == 201
    assert "data.k1" in created.warnings[0]


def test_a_large_list_is_valid_yaml(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"))
    path = core("default", "configmaps")
    for number in range(3):
        api.create(path, config_map(f"large{number}", {"a": "x" * 40_000}))
    response = api.get(path, Accept="application/yaml")
    assert response.headers["Content-Type"] == "application/yaml"
    names = {item["metadata"]["name"] for item in yaml.safe_load(response.content)["items"]}
    assert {"large0", "large1", "large2"} <= names


def test_the_namespace_of_the_control_plane_cannot_be_deleted(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"))
    refused = api.delete("/api/v1/namespaces/flotta")
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    api.create(core("flotta", "configmaps"), config_map("c"))
    assert api.delete(core("flotta", "configmaps", "c")).status == 200


def test_warnings_are_as_many_and_as_long_as_a_client_takes(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"))
    fields = {"k" * 100_000: 1, "a\r\nX-Forged: 1": 1, **{f"unknown-{i}": 1 for i in range(5000)}}
    path = f"{core('default', 'configmaps')}?fieldValidation=Warn"
    created = api.post(path, {**config_map("warned"), **fields})
    assert created.status == 201
    assert "X-Forged" not in created.headers


@pytest.mark.parametrize("validation", ["Warn", "Strict"])
def test_a_long_name_is_not_repeated_for_each_field_below_it(
    embedded: Engine, validation: str
) -> None:
    api = Api(embedded.kubeconfig("admin"))
    path = f"{core('default', 'configmaps')}?fieldValidation={validation}"
    name = "k" * 1_000_000
    duplicates = ",".join(['{"a":1,"a":1}'] * 15_000)
    fields = ",".join(f'"{i}":1' for i in range(30_000))
    for body in (f'{{"{name}":[{duplicates}]}}', f'{{"data":{{"{name}":{{{fields}}}}}}}'):
        refused = api.post(path, body.encode())
        assert refused.status in (400, 422)
        assert len(refused.content) < 3 * MIB


@pytest.mark.parametrize(
    "options",
    [
        *({"preconditions": [1]}, {"preconditions": "x"}, {"preconditions": {"uid": {}}}),
        *({"dryRun": 5}, {"dryRun": "All"}, {"propagationPolicy": {}}),
        *({"kind": []}, {"apiVersion": {}}, {"orphanDependents": "x"}),
    ],
    ids=str,
)
def test_options_of_a_deletion_with_a_wrong_type_are_refused(
    api: Api, namespace: str, options: dict[str, Any]
) -> None:
    path = f"{core(namespace, 'configmaps')}/c"
    api.create(core(namespace, "configmaps"), config_map("c"))
    refused = api.request("DELETE", path, options)
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert api.get(path).status == 200


@pytest.mark.parametrize(
    "spec",
    [
        *([1], "x", {"resourceAttributes": [1]}, {"nonResourceAttributes": [5]}),
        *({"resourceAttributes": {"verb": {}}}, {"nonResourceAttributes": {"path": 5}}),
    ],
    ids=str,
)
def test_a_self_review_with_a_wrong_type_is_refused(api: Api, spec: Any) -> None:
    review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    refused = api.post(path, {**review, "spec": spec})
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")


def test_a_body_whose_version_is_no_text_is_refused(api: Api, namespace: str) -> None:
    body = {**config_map("c"), "apiVersion": [{}], "kind": "ConfigMap"}
    refused = api.post(core(namespace, "configmaps"), body)
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
