"""What a URL and a method request, before anything is looked up (Kubernetes' RequestInfo)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

NAMESPACE_SUBRESOURCES = {"status", "finalize"}
METHOD_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """A resource request; empty strings mean "not given"."""

    verb: str
    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def resource_and_subresource(self) -> str:
        """`PLURAL/SUBRESOURCE` as in rules and messages, or the plural."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def parse_target(method: str, path: str, query: Mapping[str, str]) -> Target | None:
    """Return the resource request of a URL, or None for another path (discovery, health, …)."""
    if "//" in path:
        return None
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    target = _parse_resource(group, version, rest)
    return replace(target, verb=_verb_of(method, target, query)) if target else None


def _parse_resource(group: str, version: str, rest: list[str]) -> Target | None:
    base = Target("", group, version, "")
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
        base, rest = replace(base, namespace=rest[1]), rest[2:]
    elif rest[0] == "namespaces" and len(rest) > 1:
        base = replace(base, namespace=rest[1])
    if len(rest) > 3:
        return None
    name = rest[1] if len(rest) > 1 else ""
    return replace(base, plural=rest[0], name=name, subresource=rest[2] if len(rest) > 2 else "")


def is_watch(query: Mapping[str, str]) -> bool:
    """Tell whether a watch is requested: Kubernetes takes every other value for true."""
    return "watch" in query and query["watch"] not in ("0", "false", "False")


def _verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    if method in METHOD_VERBS:
        return METHOD_VERBS[method]
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if method not in ("GET", "HEAD"):
        return method.lower()
    if target.name:
        return "get"
    return "watch" if is_watch(query) else "list"
