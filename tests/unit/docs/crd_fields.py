"""The fields of our custom resources, by path, for tests of pages that name them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from flotta.resources import crds

MAP_KEY = "*"  # stands for the key of a map that takes any, as in `spec.logCollection.*.kind`


@cache
def crd_fields() -> frozenset[str]:
    """Return the path of every field of our kinds, such as `EdgeDevice.spec.heartbeat`.

    A list adds nothing to a path (`EdgeDevice.spec.mounts.folder`), as in `kubectl explain`; the
    key of a map is `*`. The PodSpec of a workload is included, metadata is not.
    """
    return frozenset(path for crd in crds.load() for path in _of_crd(crd))


@cache
def field_kinds() -> frozenset[str]:
    """Return the kinds whose fields are known, such as `EdgeDevice`."""
    return frozenset(crd["spec"]["names"]["kind"] for crd in crds.load())


def _of_crd(crd: crds.CustomResourceDefinition) -> Iterator[str]:
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        yield from _below(schema, crd["spec"]["names"]["kind"])


def _below(schema: dict[str, Any], path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _below(field, f"{path}.{name}")
    if isinstance(values := schema.get("additionalProperties"), dict):
        yield f"{path}.{MAP_KEY}"
        yield from _below(values, f"{path}.{MAP_KEY}")
    if isinstance(items := schema.get("items"), dict):
        yield from _below(items, path)
