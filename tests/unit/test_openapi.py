"""OpenAPI documents, as far as kubectl reads them (tests/contract runs kubectl itself)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from flotta.apiserver.catalogue import build_registry
from flotta.apiserver.schema.openapi import make_documents
from flotta.resources import crds, kinds

DOCUMENTS = make_documents(build_registry(crds.load()).resources)


def test_every_served_group_version_has_its_document() -> None:
    assert set(DOCUMENTS) == {
        "api/v1",
        "apis/coordination.k8s.io/v1",
        f"apis/{kinds.GROUP}/v1alpha1",
        "apis/objectbucket.io/v1alpha1",
    }


def test_every_kind_says_that_its_patch_checks_fields() -> None:
    patches = [
        item["patch"]
        for document in DOCUMENTS.values()
        for path, item in document["paths"].items()
        if path.endswith("/{name}")
    ]
    named = {patch["x-kubernetes-group-version-kind"]["kind"] for patch in patches}
    assert named == {kind.kind for kind in kinds.ALL}
    for patch in patches:
        assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}


def test_paths_are_those_of_the_rest_api() -> None:
    for kind in kinds.ALL:
        place = "apis" if kind.group else "api"
        paths = DOCUMENTS[f"{place}/{kind.api_version}"]["paths"]
        namespace = "{namespace}" if kind.namespaced else None
        one = unquote(kind.path(namespace, "{name}"))
        assert {kind.path(), one} <= set(paths)
        assert (f"{one}/status" in paths) == kind.status


def test_every_reference_has_its_schema() -> None:
    for document in DOCUMENTS.values():
        schemas = document["components"]["schemas"]
        for target in _references(document):
            assert target.removeprefix("#/components/schemas/") in schemas
        assert json.dumps(document)


def test_every_field_of_ours_is_described() -> None:
    schemas = DOCUMENTS[f"apis/{kinds.GROUP}/v1alpha1"]["components"]["schemas"]
    spec = schemas["io.project-flotta.management.v1alpha1.EdgeWorkload"]["properties"]["spec"]
    for name, field in spec["properties"].items():
        assert field.get("description"), name


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [target for item in node for target in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if "$ref" in node else []
    return own + [target for value in node.values() for target in _references(value)]
