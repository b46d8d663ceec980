"""Kubernetes' own schemas of the core kinds and of metadata, by their names in its OpenAPI.

scripts/generate_crds.py writes them to kubernetes.yaml, without apiVersion, kind and metadata.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from flotta.apiserver.json_object import JsonObject
from flotta.yaml_loader import load_yaml

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
OBJECT_META = f"{META}.ObjectMeta"
LIST_META = f"{META}.ListMeta"


def schema_of(name: str) -> JsonObject:
    """Return the OpenAPI v3 schema of a definition such as `io.k8s.api.core.v1.Secret`."""
    return _load()[name]


@cache
def _load() -> dict[str, JsonObject]:
    file = resources.files("flotta.apiserver.schema") / "kubernetes.yaml"
    schemas: dict[str, JsonObject] = load_yaml(file.read_bytes())
    return schemas
