"""Tables, the form in which `kubectl get` requests objects."""

from __future__ import annotations

import re

import pytest

from contract.api import GROUP, MERGE, Api, config_map, core, device, devices
from contract.engine import Engine
from flotta.fleet.joining import CODE_ANNOTATION
from flotta.resources import crds

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
SECRETS, CONFIG_MAPS, EVENTS = (
    f"/api/v1/namespaces/{{}}/{plural}" for plural in ("secrets", "configmaps", "events")
)


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        (SECRETS, "Name Type Data Age"),
        (CONFIG_MAPS, "Name Data Age"),
        (LEASES, "Name Holder Age"),
        ("/api/v1/namespaces", "Name Status Age"),
        (
            EVENTS,
            "Last Seen,Type,Reason,Object,Subobject*,Source*,Message,First Seen*,Count*,Name*",
        ),
    ],
)
def test_core_kinds_have_their_columns(api: Api, namespace: str, path: str, columns: str) -> None:
    body = api.get(path.format(namespace), Accept=TABLE).body
    shown = [column["name"] + "*" * column["priority"] for column in body["columnDefinitions"]]
    assert shown == (columns.split(",") if "," in columns else columns.split())
    assert {column["type"] for column in body["columnDefinitions"]} == {"string"}


@pytest.mark.parametrize("crd", crds.load(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_our_kinds_have_the_columns_of_their_definition(
    api: Api, namespace: str, crd: dict
) -> None:
    spec = crd["spec"]
    path = f"/apis/{spec['group']}/v1alpha1/namespaces/{namespace}/{spec['names']['plural']}"
    body = api.get(path, Accept=TABLE).body
    declared = spec["versions"][0].get("additionalPrinterColumns", [])
    wanted = [("Name", "string", 0)]
    wanted += [(column["name"], column["type"], column.get("priority", 0)) for column in declared]
    given = [
        (column["name"], column["type"], column["priority"]) for column in body["columnDefinitions"]
    ]
    assert given == wanted
    assert "continue" not in body["metadata"]


def test_cells_are_those_of_the_object(api: Api, namespace: str) -> None:
    request = device("asking") | {"kind": "EdgeDeviceSignedRequest"}
    request["spec"] = {"targetNamespace": "default", "approved": False}
    request["metadata"]["annotations"] = {CODE_ANNOTATION: "762X-NJ8K"}
    path = f"{GROUP}/namespaces/{namespace}/edgedevicesignedrequest"
    api.create(path, request)
    assert cells(api, path) == {
        "Name": "asking",
        "deviceid": "asking",
        "targetNamespace": "default",
        "Approved": "false",
        "Status": None,
        "Code": "762X-NJ8K",
        "Set": None,
        "Host": None,
        "Decided by": None,
    }
    api.create(core(namespace, "configmaps"), config_map("c", {"a": "1", "b": "2"}))
    assert cells(api, core(namespace, "configmaps", "c")) == {"Name": "c", "Data": 2}


def cells(api: Api, path: str) -> dict[str, object]:
    """Return column → cell of the only row; ages change and are checked here."""
    table = api.get(path, Accept=TABLE).body
    (row,) = table["rows"]
    names = [column["name"] for column in table["columnDefinitions"]]
    shown = dict(zip(names, row["cells"], strict=True))
    assert re.fullmatch(r"\d+s", shown.pop("Age"))
    return shown


def test_writes_return_tables_too(api: Api, namespace: str) -> None:
    headers = {"Content-Type": "application/json", "Accept": TABLE}
    created = api.request("POST", devices(namespace), device("d"), headers)
    assert (created.status, created.body["kind"]) == (201, "Table")
    patched = api.request("PATCH", devices(namespace, "d"), {}, MERGE | {"Accept": TABLE})
    assert (patched.status, patched.body["kind"]) == (200, "Table")
    refused = api.request("POST", devices(namespace), device("d"), headers)
    assert (refused.status, refused.body["kind"]) == (409, "Status")
    deleted = api.request("DELETE", devices(namespace, "d"), None, headers)
    assert deleted.body["kind"] == "Status"


def test_rows_contain_the_requested_part(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    path = devices(namespace)

    def row(include: str) -> object:
        return api.get(f"{path}?includeObject={include}", Accept=TABLE).body["rows"][0]["object"]

    assert row("None") is None
    assert row("Metadata")["kind"] == "PartialObjectMetadata"
    assert row("Object")["kind"] == "EdgeDevice"
    assert api.get(f"{path}?includeObject=Bogus", Accept=TABLE).status == 400
    assert api.get(f"{path}?includeObject=Bogus").status == 200


def test_bookmark_of_a_table_watch_is_a_table(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with api.watch(devices(namespace), query, Accept=TABLE) as watch:
        added, bookmark = watch.take(2)
    assert added["object"]["rows"][0]["cells"][0] == "d"
    assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "Table")
    annotations = bookmark["object"]["rows"][0]["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_unknown_forms_are_not_acceptable(api: Api, namespace: str) -> None:
    for form in ("as=Table;v=v9", "as=Bogus;v=v1"):
        accept = f"application/json;{form};g=meta.k8s.io"
        assert api.get(devices(namespace), Accept=accept).status == 406
        plain = api.get(devices(namespace), Accept=f"{accept},application/json")
        assert plain.body["kind"] == "EdgeDeviceList"


def test_a_terminal_obeys_no_cell(embedded: Engine) -> None:
    """Kubectl before 1.23 prints cells as they come; the embedded engine replaces there, too."""
    api, namespace = Api(embedded.kubeconfig("admin")), "cells"
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    api.create(devices(namespace), device("d"))
    said = "up\n\x1b[2Jforged \u202e"
    assert api.merge(devices(namespace, "d") + "/status", {"status": {"phase": said}}).status == 200
    table = api.get(devices(namespace), Accept=TABLE).body
    names = [column["name"] for column in table["columnDefinitions"]]
    assert table["rows"][0]["cells"][names.index("Phase")] == "up␊␛[2Jforged �"
    assert api.get(devices(namespace, "d")).body["status"]["phase"] == said
