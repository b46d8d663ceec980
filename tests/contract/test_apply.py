"""Server-side apply and managedFields."""

from __future__ import annotations

from typing import Any

from contract.api import GROUP, Api, config_map, core, device, devices


def apply(api: Api, namespace: str, spec: Any, manager: str, *, force: bool = False) -> Any:
    query = f"fieldManager={manager}" + ("&force=true" if force else "")
    return api.apply(devices(namespace, "s"), device("s", spec), query)


FIVE = {"heartbeat": {"periodSeconds": 5}}
SIX = {"heartbeat": {"periodSeconds": 6}}


def test_managers_conflict_share_and_force_fields(api: Api, namespace: str) -> None:
    created = apply(api, namespace, FIVE, "m1")
    assert created.status == 201
    assert apply(api, namespace, FIVE, "m1").body == created.body
    shared = apply(api, namespace, FIVE, "m2")
    assert shared.version != created.version
    conflict = apply(api, namespace, SIX, "m2")
    assert (conflict.status, conflict.body["reason"]) == (409, "Conflict")
    assert conflict.causes == {("FieldManagerConflict", ".spec.heartbeat.periodSeconds")}
    assert '"m1"' in conflict.body["message"]  # kubectl prints it: the owner of the field
    assert apply(api, namespace, SIX, "m2", force=True).body["spec"] == SIX
    assert apply(api, namespace, {}, "m1").body["spec"] == SIX
    assert apply(api, namespace, {}, "m2").body.get("spec", {}) == {}


def test_a_dropped_field_stays_while_another_manager_owns_it(api: Api, namespace: str) -> None:
    apply(api, namespace, FIVE, "m1")
    apply(api, namespace, FIVE, "m2")
    assert apply(api, namespace, {}, "m2").body["spec"] == FIVE


def test_an_update_takes_over_fields_of_appliers(api: Api, namespace: str) -> None:
    apply(api, namespace, FIVE, "m1")
    api.merge(devices(namespace, "s") + "?fieldManager=upd", {"spec": SIX})
    conflict = apply(api, namespace, FIVE, "m1")
    assert (conflict.status, conflict.body["reason"]) == (409, "Conflict")
    assert conflict.causes == {("FieldManagerConflict", ".spec.heartbeat.periodSeconds")}
    assert '"upd"' in conflict.body["message"]


def test_several_conflicts_are_listed(api: Api, namespace: str) -> None:
    first = device("s", FIVE, labels={"a": "1", "b": "1"})
    api.apply(devices(namespace, "s"), first, "fieldManager=m1")
    second = device("s", SIX, labels={"a": "2", "b": "2"})
    conflict = api.apply(devices(namespace, "s"), second, "fieldManager=m2")
    fields = (".metadata.labels.a", ".metadata.labels.b", ".spec.heartbeat.periodSeconds")
    assert conflict.causes == {("FieldManagerConflict", field) for field in fields}
    for part in ('"m1"', *fields):
        assert part in conflict.body["message"]


def test_status_is_applied_at_its_own_endpoint(api: Api, namespace: str) -> None:
    path = devices(namespace, "s")
    assert api.apply(f"{path}/status", device("s"), "fieldManager=m").status == 404
    apply(api, namespace, FIVE, "m1")
    up = device("s") | {"status": {"phase": "up"}}
    assert "status" not in api.apply(path, up, "fieldManager=m2").body
    body = api.apply(f"{path}/status", up, "fieldManager=m2").body
    assert (body["spec"], body["status"]) == (FIVE, {"phase": "up"})
    entries = body["metadata"]["managedFields"]
    (entry,) = [entry for entry in entries if entry.get("subresource") == "status"]
    assert (entry["manager"], entry["operation"]) == ("m2", "Apply")
    assert entry["fieldsV1"] == {"f:status": {"f:phase": {}}}


def test_dry_run_and_old_versions(api: Api, namespace: str) -> None:
    path = devices(namespace, "s")
    dry = api.apply(path, device("s", FIVE), "fieldManager=m&dryRun=All")
    assert (dry.status, api.get(path).status) == (201, 404)
    apply(api, namespace, FIVE, "m1")
    stale = api.apply(path, device("s", SIX, resourceVersion="1"), "fieldManager=m1")
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert api.get(path).body["spec"] == FIVE


def test_defaults_have_no_owner(api: Api, namespace: str) -> None:
    body = apply(api, namespace, {"metrics": {"system": {}}}, "m1").body
    assert body["spec"]["metrics"]["system"] == {"interval": 60}
    (entry,) = body["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:spec": {"f:metrics": {"f:system": {}}}}
    taken = apply(api, namespace, {"metrics": {"system": {"interval": 5}}}, "m2")
    assert taken.status == 200


def test_bad_apply_requests_are_refused(api: Api, namespace: str) -> None:
    path = devices(namespace, "s")
    assert api.apply(path, device("s"), "").status == 422
    managed = device("s", managedFields=[{"manager": "x"}])
    response = api.apply(path, managed, "fieldManager=m")
    assert (response.status, response.body["reason"]) == (400, "BadRequest")
    assert api.apply(path, device("s", {"bogus": 1}), "fieldManager=m").status in (400, 500)
    assert api.apply(path, b"{a: [", "fieldManager=m").status == 400
    assert api.apply(path + "/status", device("s"), "fieldManager=m").status == 404
    assert api.get(path).status == 404


def test_finalizers_merge_as_a_set(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "c")
    for manager in ("one", "two"):
        obj = config_map("c", {"k": "v"}, finalizers=[f"a.b/{manager}"])
        response = api.apply(path, obj, f"fieldManager={manager}")
    assert response.body["metadata"]["finalizers"] == ["a.b/one", "a.b/two"]
    response = api.apply(path, config_map("c"), "fieldManager=one")
    assert response.body["metadata"]["finalizers"] == ["a.b/two"]
    response = api.apply(path, config_map("c"), "fieldManager=two")
    assert "finalizers" not in response.body["metadata"]


def test_managers_are_recorded_and_can_be_cleared(api: Api, namespace: str) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "agent/1.0"}
    obj = api.post(devices(namespace), device("d", FIVE), headers).body
    (entry,) = obj["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("agent", "Update")
    assert entry["fieldsV1"]["f:spec"]["f:heartbeat"]["f:periodSeconds"] == {}
    cleared = api.merge(devices(namespace, "d"), {"metadata": {"managedFields": [{}]}}).body
    assert "managedFields" not in cleared["metadata"]


def test_an_item_that_is_no_longer_applied_is_removed_whole(api: Api, namespace: str) -> None:
    path = f"{GROUP}/namespaces/{namespace}/edgeworkloads/w"
    both = [{"name": name, "image": "i", "env": [{"name": "E", "value": "1"}]} for name in "ab"]

    def workload(containers: list[Any]) -> Any:
        return {
            "apiVersion": "management.project-flotta.io/v1alpha1",
            "kind": "EdgeWorkload",
            "metadata": {"name": "w"},
            "spec": {"type": "pod", "pod": {"spec": {"containers": containers}}},
        }

    assert api.apply(path, workload(both), "fieldManager=m1").status == 201
    response = api.apply(path, workload(both[:1]), "fieldManager=m1")
    assert response.status == 200, response.body
    assert response.body["spec"]["pod"]["spec"]["containers"] == both[:1]
    bare = [{"name": "a", "image": "i"}]
    response = api.apply(path, workload(bare), "fieldManager=m1")
    assert response.status == 200, response.body
    assert response.body["spec"]["pod"]["spec"]["containers"] == bare
    # Another manager owns a field of the item: the item is removed nevertheless.
    assert api.apply(path, workload(both), "fieldManager=m1").status == 200
    patch = {"spec": {"pod": {"spec": {"containers": [both[0], {**both[1], "image": "j"}]}}}}
    assert api.merge(path + "?fieldManager=upd", patch).status == 200
    response = api.apply(path, workload(both[:1]), "fieldManager=m1")
    assert response.status == 200, response.body
    assert response.body["spec"]["pod"]["spec"]["containers"] == both[:1]
    # Another manager applied the item, too: the item stays whole.
    assert api.apply(path, workload(both), "fieldManager=m1").status == 200
    assert api.apply(path, workload([{"name": "b", "image": "i"}]), "fieldManager=m2").status == 200
    response = api.apply(path, workload(both[:1]), "fieldManager=m1")
    assert response.body["spec"]["pod"]["spec"]["containers"] == [
        both[0],
        {"name": "b", "image": "i"},
    ]
