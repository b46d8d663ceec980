"""Subresources, unusual methods, single objects, discovery."""

from __future__ import annotations

from contract.api import GROUP, Api, config_map, core, device, devices

PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def test_post_to_a_named_url_creates(api: Api, namespace: str) -> None:
    assert api.post(devices(namespace, "d"), device("d")).status == 201


def test_head_has_no_body(api: Api, namespace: str) -> None:
    response = api.request("HEAD", devices(namespace))
    assert (response.status, response.content) == (200, b"")


def test_methods_that_do_not_exist(api: Api, namespace: str) -> None:
    for response in (api.put(devices(namespace), device("d")), api.merge(devices(namespace), {})):
        assert (response.status, response.body["reason"]) == (400, "BadRequest")
    assert api.put(core(namespace, "configmaps"), config_map("c")).status == 405
    assert api.merge(core(namespace, "configmaps"), {}).status == 405
    assert api.post(f"{GROUP}/edgedevices", device("d")).status == 404
    assert api.delete("/api/v1/namespaces").status == 405
    assert api.get("//api/v1").status == 404
    assert api.get(devices(namespace, "d") + "/scale").status == 404


def test_single_object_ignores_watch(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    assert api.get(devices(namespace, "d") + "?watch=true&resourceVersion=1").body == obj


def test_unknown_parameters_are_ignored(api: Api, namespace: str) -> None:
    assert api.get(devices(namespace) + "?bogus=1&timeout=32s").status == 200


def test_identity_cannot_be_changed(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    other = obj | {"metadata": obj["metadata"] | {"uid": "zzz"}}
    assert api.put(path, other).status == 409
    patched = api.merge(path, {"metadata": {"uid": "zzz"}})
    assert patched.causes == {("FieldValueInvalid", "metadata.uid")}
    renamed = api.put(path, obj | {"metadata": obj["metadata"] | {"name": "x2"}})
    assert (renamed.status, renamed.body["reason"]) == (400, "BadRequest")
    moved = api.post(devices("default"), device("d", namespace=namespace))
    assert (moved.status, moved.body["reason"]) == (400, "BadRequest")


def test_namespace_keeps_its_label_and_finalizer(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    patch = {"metadata": {"labels": {"kubernetes.io/metadata.name": "x", "a": "b"}}, "spec": None}
    body = api.merge(path, patch).body
    assert body["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace, "a": "b"}
    assert body["spec"] == {"finalizers": ["kubernetes"]}
    assert "generation" not in body["metadata"]


def test_the_finalize_endpoint_removes_a_stuck_namespace(api: Api) -> None:
    path = "/api/v1/namespaces/stuck"
    api.create("/api/v1/namespaces", {"metadata": {"name": "stuck"}})
    api.create(core("stuck", "configmaps"), config_map("c", finalizers=["a.b/c"]))
    api.delete(path)
    assert api.put(f"{path}/finalize", {"metadata": {"name": "stuck"}}).status == 200
    assert api.get(path).status == 404
    api.merge(core("stuck", "configmaps", "c"), {"metadata": {"finalizers": None}})
    api.delete(core("stuck", "configmaps", "c"))


def test_responses_with_metadata_only(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    partial = api.get(devices(namespace, "d"), Accept=PARTIAL).body
    assert set(partial) == {"kind", "apiVersion", "metadata"}
    assert partial["metadata"] == obj["metadata"]
    listed = api.get(devices(namespace), Accept=PARTIAL_LIST).body
    assert listed["kind"] == "PartialObjectMetadataList"
    assert [found["metadata"] for found in listed["items"]] == [obj["metadata"]]
    assert api.get(devices(namespace), Accept=PARTIAL).status == 406


def test_discovery_is_exact(api: Api) -> None:
    resources = {resource["name"]: resource for resource in api.get(f"{GROUP}/").body["resources"]}
    entry = resources["edgedevicesignedrequest"]
    assert entry["shortNames"] == ["edsr"]
    assert entry["verbs"] == [
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "create",
        "update",
        "watch",
    ]
    assert resources["edgedevicesignedrequest/status"]["verbs"] == ["get", "patch", "update"]
    assert "apiVersion" not in api.get("/api/v1").body
    assert api.get("/version/").body["major"] == "1"
    assert api.get("/apis").headers["Content-Type"] == "application/json"


def test_broken_protobuf_is_a_bad_request(api: Api, namespace: str) -> None:
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    for body in (b"nonsense", b"k8s\x00\xff\xff", b"k8s\x00\x0a\x05ab"):
        response = api.post(core(namespace, "configmaps"), body, headers)
        assert (response.status, response.body["reason"]) == (400, "BadRequest")


def test_the_patch_of_the_last_finalizer_returns_the_old_version(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d", finalizers=["a.b/c"]))
    waiting = api.delete(devices(namespace, "d")).version
    response = api.merge(devices(namespace, "d"), {"metadata": {"finalizers": None}})
    assert (response.status, response.version) == (200, waiting)
