"""Lists: pages, resourceVersion rules, selectors; discovery and tables."""

from __future__ import annotations

import pytest

from contract.api import GROUP, Api, config_map, core, device, devices

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.fixture
def five(api: Api, namespace: str) -> str:
    """Return the collection path of five devices l0 to l4; l0 and l1 have the label i."""
    for index in range(5):
        labels = {"i": str(index)} if index < 2 else {}
        api.create(devices(namespace), device(f"l{index}", labels=labels))
    return devices(namespace)


def names(body: dict[str, object]) -> list[str]:
    return [obj["metadata"]["name"] for obj in body["items"]]  # type: ignore[attr-defined]


def test_pages_show_one_version(api: Api, five: str) -> None:
    first = api.get(f"{five}?limit=2").body
    api.delete(f"{five}/l3")
    api.create(five, device("l9"))
    second = api.get(f"{five}?limit=2&continue={first['metadata']['continue']}").body
    third = api.get(f"{five}?limit=2&continue={second['metadata']['continue']}").body
    assert [names(page) for page in (first, second, third)] == [["l0", "l1"], ["l2", "l3"], ["l4"]]
    assert len({page["metadata"]["resourceVersion"] for page in (first, second, third)}) == 1
    left = [page["metadata"].get("remainingItemCount") for page in (first, second, third)]
    assert left == [3, 1, None]
    assert third["metadata"]["continue"] == ""


def test_pages_with_a_selector_have_no_remaining_count(api: Api, five: str) -> None:
    page = api.get(f"{five}?limit=1&labelSelector=i").body
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


def test_items_of_core_lists_have_no_kind(api: Api, namespace: str) -> None:
    api.create(core(namespace, "configmaps"), config_map("c"))
    body = api.get(core(namespace, "configmaps")).body
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert set(body["items"][0]) == {"metadata", "data"} - ({"data"} - set(body["items"][0]))
    assert "continue" not in body["metadata"]


def test_version_zero_lists_everything(api: Api, five: str) -> None:
    newest = api.get(five).version
    api.get(
        f"{five}?resourceVersion={newest}"
    )  # so that a cache that serves any version has this one
    assert len(api.get(f"{five}?resourceVersion=0&limit=1").body["items"]) == 5


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=NotOlderThan", 422),
        ("resourceVersion=1&resourceVersionMatch=Bogus", 422),
        ("resourceVersion=abc", 400),
        ("limit=abc", 400),
        ("continue=%21%21", 400),
        ("sendInitialEvents=true", 422),
        ("labelSelector=i%20in%20(1", 400),
        ("labelSelector=%3D1", 400),
        ("labelSelector=i%3Dbad%20value", 400),
        ("labelSelector=-x%3D1", 400),
        ("labelSelector=i%3Ex", 400),
        ("labelSelector=i%3D1%2C", 400),
        ("timeoutSeconds=abc", 400),
        ("continue=abc&resourceVersion=5", 400),
        ("fieldSelector=status.phase%3Dup", 400),
        ("fieldSelector=metadata.name%20in%20(a)", 400),
    ],
)
def test_bad_list_options(api: Api, five: str, query: str, status: int) -> None:
    assert api.get(f"{five}?{query}").status == status


def test_future_version_times_out(api: Api, five: str) -> None:
    response = api.get(f"{five}?resourceVersion=99999999")
    assert (response.status, response.body["reason"]) == (504, "Timeout")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("i=1", ["l1"]),
        ("i==1", ["l1"]),
        (" i = 1 ", ["l1"]),
        ("i!=1", ["l0", "l2", "l3", "l4"]),
        ("i notin (0,1)", ["l2", "l3", "l4"]),
        ("i in (0,1)", ["l0", "l1"]),
        ("i", ["l0", "l1"]),
        ("!i", ["l2", "l3", "l4"]),
        ("i>0", ["l1"]),
        ("i<1", ["l0"]),
        ("i,i in (0)", ["l0"]),
    ],
)
def test_label_selectors(api: Api, five: str, selector: str, found: list[str]) -> None:
    query = selector.replace(" ", "%20").replace("=", "%3D").replace(">", "%3E")
    assert names(api.get(f"{five}?labelSelector={query.replace('<', '%3C')}").body) == found


def test_field_selectors(api: Api, five: str, namespace: str) -> None:
    assert names(api.get(f"{five}?fieldSelector=metadata.name%3Dl3").body) == ["l3"]
    api.create(core(namespace, "secrets"), {"metadata": {"name": "s"}, "type": "a/b"})
    path = core(namespace, "secrets")
    assert names(api.get(f"{path}?fieldSelector=type%3Da/b").body) == ["s"]
    assert names(api.get(f"{path}?fieldSelector=type!%3Da/b").body) == []


def test_tables(api: Api, five: str) -> None:
    body = api.get(five, Accept=TABLE).body
    assert body["kind"] == "Table"
    columns = [column["name"] for column in body["columnDefinitions"]]
    assert columns[0] == "Name"
    assert body["rows"][0]["cells"][0] == "l0"
    assert len(body["rows"][0]["cells"]) == len(columns)
    assert body["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    full = api.get(f"{five}?includeObject=Object", Accept=TABLE).body
    assert full["rows"][0]["object"]["kind"] == "EdgeDevice"
    assert api.get(f"{five}/nope", Accept=TABLE).body["kind"] == "Status"


def test_signed_requests_have_their_printed_columns(api: Api) -> None:
    path = f"{GROUP}/namespaces/default/edgedevicesignedrequest"
    columns = api.get(path, Accept=TABLE).body["columnDefinitions"]
    names_of = [column["name"] for column in columns]
    assert names_of[:5] == ["Name", "deviceid", "targetNamespace", "Approved", "Status"]


def test_unacceptable_representations(api: Api, five: str) -> None:
    assert api.get(five, Accept="text/html").status == 406
    assert api.get(five, Accept="application/vnd.kubernetes.protobuf").status == 406
    protobuf_first = "application/vnd.kubernetes.protobuf,application/json"
    assert api.get(five, Accept=protobuf_first).body["kind"] == "EdgeDeviceList"
    assert b"kind: EdgeDeviceList" in api.get(five, Accept="application/yaml").content


def test_collections_are_ordered_by_namespace_and_name(api: Api, namespace: str) -> None:
    other = f"{namespace}-a"
    api.create("/api/v1/namespaces", {"metadata": {"name": other}})
    for place, name in ((other, "a"), (namespace, "z"), (namespace, "b")):
        api.create(devices(place), device(name, labels={"order": namespace}))
    body = api.get(f"{GROUP}/edgedevices?labelSelector=order%3D{namespace}").body
    places = [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in body["items"]]
    assert places == [(other, "a"), (namespace, "b"), (namespace, "z")]  # "-" is less than "/"
    first = api.get(f"{GROUP}/edgedevices?limit=1&labelSelector=order%3D{namespace}").body
    token = first["metadata"]["continue"]
    rest = api.get(f"{GROUP}/edgedevices?continue={token}&labelSelector=order%3D{namespace}").body
    assert names(first) + names(rest) == ["a", "b", "z"]
    api.delete(f"/api/v1/namespaces/{other}")


def test_empty_list_is_a_list(api: Api, namespace: str) -> None:
    body = api.get(devices(namespace)).body
    assert (body["items"], body["kind"]) == ([], "EdgeDeviceList")
    assert body["metadata"]["continue"] == ""
    assert int(body["metadata"]["resourceVersion"]) > 0


def test_resources_are_described_alike_in_both_forms_of_discovery(api: Api) -> None:
    for root, group, version in (
        ("/apis", "management.project-flotta.io", "v1alpha1"),
        ("/apis", "objectbucket.io", "v1alpha1"),
        ("/apis", "coordination.k8s.io", "v1"),
    ):
        plain = {
            resource["name"]: resource
            for resource in api.get(f"{root}/{group}/{version}").body["resources"]
        }
        items = api.get(root, Accept=AGGREGATED).body["items"]
        (item,) = [obj for obj in items if obj["metadata"]["name"] == group]
        (found,) = [listed for listed in item["versions"] if listed["version"] == version]
        for resource in found["resources"]:
            entry = plain[resource["resource"]]
            assert resource["verbs"] == entry["verbs"]
            assert resource["responseKind"]["kind"] == entry["kind"]
            assert resource.get("shortNames") == entry.get("shortNames")
            assert resource["scope"] == "Namespaced"
            below = {
                f"{resource['resource']}/{subresource['subresource']}"
                for subresource in resource.get("subresources", [])
            }
            assert below <= set(plain)


def test_core_kinds_are_listed_with_their_verbs_and_short_names(api: Api) -> None:
    found = {resource["name"]: resource for resource in api.get("/api/v1").body["resources"]}
    names = {
        name: found[name].get("shortNames")
        for name in ("configmaps", "events", "namespaces", "secrets")
    }
    assert names == {"configmaps": ["cm"], "events": ["ev"], "namespaces": ["ns"], "secrets": None}
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    assert found["secrets"]["verbs"] == verbs
    assert "deletecollection" not in found["namespaces"]["verbs"]
    assert found["namespaces/finalize"]["verbs"] == ["update"]


def test_every_listed_resource_answers_a_list(api: Api) -> None:
    groups = api.get("/apis/").body["groups"]
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    for path in paths:
        for resource in api.get(path).body["resources"]:
            if "list" in resource["verbs"]:
                assert api.get(f"{path}/{resource['name']}").status == 200


def test_aggregated_discovery_is_revalidated(api: Api) -> None:
    for path in ("/api", "/apis"):
        response = api.get(path, Accept=f"application/json,{AGGREGATED}")
        assert response.headers["Content-Type"] == AGGREGATED
        again = api.get(path, **{"Accept": AGGREGATED, "If-None-Match": response.headers["ETag"]})
        assert (again.status, again.content) == (304, b"")


def test_unknown_paths(api: Api) -> None:
    for path in ("/apis/unknown", "/apis/unknown/v1", f"{GROUP}/nothing", "/nosuch"):
        response = api.get(path)
        assert (response.status, response.content) == (404, b"404 page not found\n")
    assert api.get("/api/v1/nothing").body["reason"] == "NotFound"


def test_openapi_documents(api: Api) -> None:
    paths = api.get("/openapi/v3").body["paths"]
    assert {"api/v1", "apis/management.project-flotta.io/v1alpha1"} <= set(paths)
    url = paths["api/v1"]["serverRelativeURL"]
    assert api.get(url).body["openapi"].startswith("3.")
    assert api.get("/openapi/v3/api/v1?hash=wrong").headers["Location"] == url
    ours = api.get("/openapi/v3/apis/management.project-flotta.io/v1alpha1").body
    path = f"{GROUP}/namespaces/{{namespace}}/edgedevices/{{name}}"
    operation = ours["paths"][path]["patch"]
    assert operation["x-kubernetes-group-version-kind"]["kind"] == "EdgeDevice"
    parameters = {parameter["name"] for parameter in operation["parameters"]}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= parameters
    schema = ours["components"]["schemas"]["io.project-flotta.management.v1alpha1.EdgeDevice"]
    assert schema["x-kubernetes-group-version-kind"][0]["kind"] == "EdgeDevice"
    document = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    old = api.get("/openapi/v2", Accept=document)
    assert (old.status, old.headers["Content-Type"]) == (200, document)
