"""OpenAPI v3 documents of everything that is served, one for each group version (KEP-2896).

kubectl finds in them that a kind exists (`x-kubernetes-group-version-kind` on an operation), that
the server validates fields itself (parameter `fieldValidation` of the patch operation), and what
`kubectl explain` prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import ServedResource
from flotta.apiserver.schema.kubernetes import LIST_META, OBJECT_META, schema_of
from flotta.resources import kinds
from flotta.resources.objects.meta import Resource

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


def make_documents(resources: Iterable[ServedResource]) -> dict[str, JsonObject]:
    """Return path → document (`api/v1`, `apis/GROUP/VERSION`) of what is served."""
    groups: dict[str, list[_DescribedKind]] = {}
    for resource in resources:
        place = "apis" if resource.group else "api"
        described = _DescribedKind(_kind_of(resource), resource.openapi, not resource.custom)
        groups.setdefault(f"{place}/{resource.api_version}", []).append(described)
    return {path: _make_document(path, members) for path, members in groups.items()}


def _kind_of(resource: ServedResource) -> kinds.Kind[Resource]:
    return kinds.Kind(
        resource.group,
        resource.version,
        resource.kind,
        resource.plural,
        namespaced=resource.namespaced,
        status=resource.status,
    )


def _make_document(path: str, members: list[_DescribedKind]) -> JsonObject:
    paths: JsonObject = {}
    schemas: JsonObject = {name: schema_of(name) for name in (OBJECT_META, LIST_META)}
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
        "metadata": _reference(OBJECT_META, "Name, labels and the fields that the server sets."),
    }
    gvk = described.gvk
    items = {"type": "array", "items": _reference(described.name), "description": "Objects."}
    listed = {
        "type": "object",
        "description": f"A list of {described.kind.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": properties["apiVersion"],
            "kind": properties["kind"],
            "metadata": _reference(LIST_META, "Version and continue token of the list."),
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


def _reference(name: str, description: str = "") -> JsonObject:
    """Return a reference to a schema of the same document."""
    target: JsonObject = {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    return target | ({"description": description} if description else {})


def _make_paths(described: _DescribedKind) -> JsonObject:
    kind = described.kind
    collection = unquote(kind.path("{namespace}" if kind.namespaced else None))
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
    schema = _reference(f"{described.name}List" if listing else described.name)
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
