"""Merge, JSON and strategic merge patches: what they change, and what is refused."""

from __future__ import annotations

import pytest

from contract.api import APPLY, JSON_PATCH, MERGE, STRATEGIC, Api, config_map, core, device, devices


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
def test_a_patch_keeps_api_version_and_kind(
    api: Api, namespace: str, patch: object, status: int
) -> None:
    obj = api.create(devices(namespace), device("d"))
    assert api.merge(devices(namespace, "d"), patch).status == status
    assert api.get(devices(namespace, "d")).body == obj


def test_strategic_patch_is_for_core_kinds(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    response = api.request("PATCH", devices(namespace, "d"), {}, STRATEGIC)
    assert (response.status, response.body["reason"]) == (415, "UnsupportedMediaType")
    for accepted in (JSON_PATCH, MERGE, APPLY):  # kubectl prints the accepted types
        assert accepted["Content-Type"] in response.body["message"]
    api.create(core(namespace, "configmaps"), config_map("c", finalizers=["a.b/one"]))
    patch = {"metadata": {"finalizers": ["a.b/two"]}, "data": {"a": "b"}}
    body = api.request("PATCH", core(namespace, "configmaps", "c"), patch, STRATEGIC).body
    assert set(body["metadata"]["finalizers"]) == {"a.b/one", "a.b/two"}
    drop = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/one", "a.b/two"]}}
    body = api.request("PATCH", core(namespace, "configmaps", "c"), drop, STRATEGIC).body
    assert "finalizers" not in body["metadata"]


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


def test_bad_json_and_bad_patches(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    response = api.post(devices(namespace), b"{bad")
    assert (response.status, response.body["reason"]) == (400, "BadRequest")
    assert api.merge(devices(namespace, "d"), [1]).status == 400
    assert api.request("PATCH", devices(namespace, "d"), {"a": 1}, JSON_PATCH).status == 400
    missing = {"op": "add", "path": "/metadata/labels/x", "value": "y"}
    assert api.json_patch(devices(namespace, "d"), missing).status == 422
    assert api.request("PATCH", devices(namespace, "d"), {}, APPLY).status == 422
