"""Finalizers, preconditions, owner references, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from contract.api import Api, config_map, core, device, devices
from waiting import wait_until

FINALIZER = "test.flotta/hold"


def held(api: Api, namespace: str) -> Any:
    return api.create(devices(namespace), device("d", finalizers=[FINALIZER]))


def release(api: Api, path: str) -> Any:
    version = api.get(path).version
    return api.json_patch(
        path,
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "remove", "path": "/metadata/finalizers"},
    )


def test_a_delete_returns_success(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    assert api.delete(devices(namespace, "d")).body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": "d",
            "group": "management.project-flotta.io",
            "kind": "edgedevices",
            "uid": obj["metadata"]["uid"],
        },
    }
    assert api.get(devices(namespace, "d")).status == 404


def test_finalizer_holds_an_object(api: Api, namespace: str) -> None:
    obj = held(api, namespace)
    path = devices(namespace, "d")
    with api.watch(
        devices(namespace), f"resourceVersion={obj['metadata']['resourceVersion']}"
    ) as w:
        waiting = api.delete(path).body
        assert waiting["metadata"]["generation"] == 2
        assert waiting["metadata"]["deletionGracePeriodSeconds"] == 0
        assert api.delete(path).body == waiting
        again = api.post(devices(namespace), device("d"))
        assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
        # kubectl prints it: the name can be used again later.
        assert "is being deleted" in again.body["message"]
        response = release(api, path)
        modified, deleted = w.take(2)
    assert response.status == 200
    assert api.get(path).status == 404
    assert modified["type"] == "MODIFIED"
    assert deleted["type"] == "DELETED"
    assert int(deleted["object"]["metadata"]["resourceVersion"]) > int(response.version)


def test_an_object_being_deleted_takes_no_new_finalizers(api: Api, namespace: str) -> None:
    held(api, namespace)
    api.delete(devices(namespace, "d"))
    patch = {"metadata": {"finalizers": [FINALIZER, "new.one/x"]}}
    response = api.merge(devices(namespace, "d"), patch)
    assert response.causes == {("FieldValueForbidden", "metadata.finalizers")}
    release(api, devices(namespace, "d"))


def test_preconditions_and_options(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    response = api.delete(path, {"preconditions": {"uid": "bad"}})
    assert (response.status, response.body["details"]["kind"]) == (409, "EdgeDevice")
    assert response.body["reason"] == "Conflict"
    assert api.delete(path, {"preconditions": {"resourceVersion": "1"}}).status == 409
    assert api.delete(path, {"propagationPolicy": "Bogus"}).status == 422
    assert api.delete(path, b"{bad").status == 400
    assert api.delete(path, {"kind": "Secret", "apiVersion": "v1"}).status == 400
    fitting = {"preconditions": {"uid": obj["metadata"]["uid"]}, "kind": "DeleteOptions"}
    assert api.delete(path, fitting).status == 200


def test_collection_is_deleted_by_selector(api: Api, namespace: str) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        api.create(devices(namespace), device(name, labels={"l": label}))
    body = api.delete(f"{devices(namespace)}?labelSelector=l%3Dx").body
    assert body["kind"] == "EdgeDeviceList"
    assert [obj["metadata"]["name"] for obj in body["items"]] == ["a", "b"]
    left = api.get(devices(namespace)).body["items"]
    assert [obj["metadata"]["name"] for obj in left] == ["c"]
    everywhere = api.delete("/apis/management.project-flotta.io/v1alpha1/edgedevices")
    assert everywhere.status == 404
    assert api.delete("/api/v1/configmaps").status == 405


def owner_of(obj: Any, **more: Any) -> dict[str, Any]:
    meta = obj["metadata"]
    kind = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    return kind | {"name": meta["name"], "uid": meta["uid"]} | more


def dependent(api: Api, namespace: str, *owners: dict[str, Any], name: str = "dep") -> str:
    """Write a ConfigMap with owners; return its path."""
    obj = config_map(name, ownerReferences=list(owners))
    api.create(core(namespace, "configmaps"), obj)
    return core(namespace, "configmaps", name)


def is_gone(api: Api, path: str) -> bool:
    return api.get(path).status == 404


def test_background_deletion(api: Api, namespace: str) -> None:
    owner = api.create(devices(namespace), device("d"))
    path = dependent(api, namespace, owner_of(owner))
    assert api.delete(devices(namespace, "d")).body["status"] == "Success"
    wait_until(lambda: is_gone(api, path))


def test_foreground_deletion_waits_for_blocking_dependents(api: Api, namespace: str) -> None:
    owner = api.create(devices(namespace), device("d"))
    blocking = config_map(
        "dep",
        ownerReferences=[owner_of(owner, blockOwnerDeletion=True)],
        finalizers=[FINALIZER],
    )
    api.create(core(namespace, "configmaps"), blocking)
    free = dependent(api, namespace, owner_of(owner), name="free")
    response = api.delete(devices(namespace, "d"), {"propagationPolicy": "Foreground"}).body
    assert response["metadata"]["finalizers"] == ["foregroundDeletion"]
    path = core(namespace, "configmaps", "dep")
    wait_until(lambda: is_waiting(api, path))
    assert api.get(devices(namespace, "d")).status == 200
    release(api, path)
    wait_until(lambda: is_gone(api, devices(namespace, "d")))
    # A garbage collector that learns late of a dependent that does not block removes it only now.
    wait_until(lambda: is_gone(api, free))


def test_orphans_stay_without_their_owner(api: Api, namespace: str) -> None:
    owner = api.create(devices(namespace), device("d"))
    path = dependent(api, namespace, owner_of(owner))
    api.delete(devices(namespace, "d"), {"propagationPolicy": "Orphan"})
    wait_until(lambda: is_gone(api, devices(namespace, "d")))
    assert "ownerReferences" not in api.get(path).body["metadata"]


def test_a_dependent_needs_one_living_owner_in_its_namespace(api: Api, namespace: str) -> None:
    owner = api.create(devices(namespace), device("d"))
    absent = owner_of(owner) | {"uid": "absent"}
    elsewhere = api.create(devices("default"), device(f"other-{namespace}"))
    orphan = dependent(api, namespace, absent, name="orphan")
    outside = dependent(api, namespace, owner_of(elsewhere), name="outside")
    kept = dependent(api, namespace, absent, owner_of(owner), name="kept")
    wait_until(lambda: is_gone(api, orphan))
    wait_until(lambda: is_gone(api, outside))
    wait_until(lambda: len(api.get(kept).body["metadata"]["ownerReferences"]) == 1)
    api.delete(devices("default", f"other-{namespace}"))


def is_waiting(api: Api, path: str) -> bool:
    return "deletionTimestamp" in api.get(path).body["metadata"]


def test_namespace_waits_for_its_content(api: Api) -> None:
    path = "/api/v1/namespaces/doomed"
    created = api.create("/api/v1/namespaces", {"metadata": {"name": "doomed"}})
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "doomed"}
    assert created["status"] == {"phase": "Active"}
    held(api, "doomed")
    api.create(core("doomed", "configmaps"), config_map("c"))
    assert api.delete(path).body["status"]["phase"] == "Terminating"
    refused = api.post(devices("doomed"), device("late"))
    assert refused.status == 403
    cause = refused.body["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("NamespaceTerminating", "metadata.namespace")
    wait_until(lambda: is_gone(api, core("doomed", "configmaps", "c")))
    wait_until(lambda: is_waiting(api, devices("doomed", "d")))
    release(api, devices("doomed", "d"))
    wait_until(lambda: is_gone(api, path), 120)


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_some_namespaces_cannot_be_deleted(api: Api, name: str) -> None:
    response = api.delete(f"/api/v1/namespaces/{name}")
    assert (response.status, response.body["reason"]) == (403, "Forbidden")
    assert response.body["details"] == {"name": name, "kind": "namespaces"}
