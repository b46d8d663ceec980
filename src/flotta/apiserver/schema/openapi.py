"""OpenAPI v3 documents of everything that is served, one for each group version.

kubectl reads from them that a kind exists (`x-kubernetes-group-version-kind` on an operation),
that the server checks fields itself (parameter `fieldValidation` of the patch operation), and what
`kubectl explain` prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema import openapi_core as core
from flotta.resources import kinds
from flotta.resources.crds import CustomResourceDefinition
from flotta.resources.objects.meta import Resource

OBJECT_META = f"{core.META}.ObjectMeta"
LIST_META = f"{core.META}.ListMeta"
CORE = (
    (kinds.SECRET, core.SECRET),
    (kinds.CONFIG_MAP, core.CONFIG_MAP),
    (kinds.EVENT, core.EVENT),
    (kinds.NAMESPACE, core.NAMESPACE),
    (kinds.LEASE, core.LEASE),
)
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class _DescribedKind:
    """A kind with its schema; `built_in` kinds take strategic merge patches."""

    kind: kinds.Kind[Resource]
    schema: JsonObject
    built_in: bool

    @property
    def gvk(self) -> dict[str, str]:
        return {"group": self.kind.group, "version": self.kind.version, "kind": self.kind.kind}

    @property
    def name(self) -> str:
        if self.built_in:
            group = self.kind.group.partition(".")[0] or "core"
            return f"io.k8s.api.{group}.{self.kind.version}.{self.kind.kind}"
        group = ".".join(reversed(self.kind.group.split(".")))
        return f"{group}.{self.kind.version}.{self.kind.kind}"


def make_documents(crds: Iterable[CustomResourceDefinition]) -> dict[str, JsonObject]:
    """Return path → document (`api/v1`, `apis/GROUP/VERSION`) of the core kinds and `crds`."""
    groups: dict[str, list[_DescribedKind]] = {}
    for described in (
        *(_DescribedKind(kind, schema, True) for kind, schema in CORE),
        *_describe_crds(crds),
    ):
        place = "apis" if described.kind.group else "api"
        groups.setdefault(f"{place}/{described.kind.api_version}", []).append(described)
    return {path: _make_document(path, members) for path, members in groups.items()}


def _describe_crds(crds: Iterable[CustomResourceDefinition]) -> Iterable[_DescribedKind]:
    for crd in crds:
        spec, names = crd["spec"], crd["spec"]["names"]
        for version in spec["versions"]:
            kind: kinds.Kind[Resource] = kinds.Kind(
                spec["group"],
                version["name"],
                names["kind"],
                names["plural"],
                namespaced=spec["scope"] == "Namespaced",
                status="status" in version.get("subresources", {}),
            )
            yield _DescribedKind(kind, version["schema"]["openAPIV3Schema"], False)


def _make_document(path: str, members: list[_DescribedKind]) -> JsonObject:
    paths: JsonObject = {}
    schemas: JsonObject = {OBJECT_META: core.OBJECT_META, LIST_META: core.LIST_META}
    for described in members:
        paths |= _make_paths(described)
        schemas |= _make_schemas(described)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Flotta resource API", "version": path.rpartition("/")[2]},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _make_schemas(described: _DescribedKind) -> JsonObject:
    properties = {
        "apiVersion": {"type": "string", "description": "Version of this schema."},
        "kind": {"type": "string", "description": "Kind of the object."},
        **described.schema.get("properties", {}),
        "metadata": core.reference(OBJECT_META, "Name, labels and what the server keeps."),
    }
    gvk = described.gvk
    items = {"type": "array", "items": core.reference(described.name), "description": "Objects."}
    listed = {
        "type": "object",
        "description": f"A list of {described.kind.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": properties["apiVersion"],
            "kind": properties["kind"],
            "metadata": core.reference(LIST_META, "What belongs to the whole list."),
            "items": items,
        },
        "x-kubernetes-group-version-kind": [{**gvk, "kind": f"{gvk['kind']}List"}],
    }
    one = {
        **described.schema,
        "properties": properties,
        "x-kubernetes-group-version-kind": [gvk],
    }
    return {described.name: one, f"{described.name}List": listed}


def _make_paths(described: _DescribedKind) -> JsonObject:
    kind = described.kind
    collection = kind.path("{namespace}" if kind.namespaced else None)
    one = f"{collection}/{{name}}"
    writes = {
        "put": _make_operation(described, "put", body=("application/json",)),
        "patch": _make_operation(described, "patch", body=_patch_types(described)),
    }
    reads = {"get": _make_operation(described, "get")}
    paths: JsonObject = {
        kind.path(): {"get": _make_operation(described, "list")},
        one: reads | writes | {"delete": _make_operation(described, "delete")},
    }
    paths.setdefault(collection, {}).update(
        {
            "get": _make_operation(described, "list"),
            "post": _make_operation(described, "post", body=("application/json",)),
            "delete": _make_operation(described, "deletecollection"),
        }
    )
    if kind.status:
        paths[f"{one}/status"] = reads | writes
    return {path: {**item, "parameters": _path_parameters(path)} for path, item in paths.items()}


def _patch_types(described: _DescribedKind) -> tuple[str, ...]:
    return (*PATCH_TYPES, STRATEGIC) if described.built_in else PATCH_TYPES


def _make_operation(
    described: _DescribedKind, action: str, body: tuple[str, ...] = ()
) -> JsonObject:
    listing = action in ("list", "deletecollection")
    schema = core.reference(f"{described.name}List" if listing else described.name)
    response = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    operation = {
        "responses": {"200": response},
        "parameters": [_parameter(*parameter) for parameter in _parameters(action)],
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": described.gvk,
    }
    if body:
        sent = {"schema": {"type": "object"} if action == "patch" else schema}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(body, sent)}
    return operation


def _parameters(action: str) -> tuple[tuple[str, str], ...]:
    if action in ("get", "delete"):
        return ()
    if action in ("list", "deletecollection"):
        return (("labelSelector", "string"), ("fieldSelector", "string"), ("limit", "integer"))
    writing = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
    return (*writing, ("force", "boolean")) if action == "patch" else writing


def _parameter(name: str, type_: str) -> JsonObject:
    return {"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": True}}


def _path_parameters(path: str) -> list[JsonObject]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("namespace", "name")
        if f"{{{name}}}" in path
    ]
